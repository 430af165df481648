SELECT
    conflict_id,
    ticker,
    detected_at,
    holder_strategy_id,
    challenger_strategy_id,
    resolution
FROM {{ source('market', 'conflict_logs') }}
