SELECT
    conflict_id,
    strategy_id,
    opponent_strategy_id,
    party,
    ticker,
    detected_at,
    (detected_at AT TIME ZONE 'UTC')::date AS detected_date,
    resolution,
    is_winner,
    priority_difference
FROM {{ ref('int_conflict_parties') }}
