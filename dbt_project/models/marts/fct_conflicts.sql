SELECT
    conflicts.conflict_id,
    conflicts.ticker,
    conflicts.detected_at,
    (conflicts.detected_at AT TIME ZONE 'UTC')::date AS detected_date,
    conflicts.holder_strategy_id,
    conflicts.challenger_strategy_id,
    conflicts.resolution,
    challenger.priority - holder.priority AS priority_difference
FROM {{ ref('stg_conflict_logs') }} AS conflicts
INNER JOIN {{ ref('stg_strategies') }} AS holder ON conflicts.holder_strategy_id = holder.strategy_id
INNER JOIN {{ ref('stg_strategies') }} AS challenger ON conflicts.challenger_strategy_id = challenger.strategy_id
