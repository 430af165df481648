-- A strategy has one version at a time: each row that comes back is a version that begins before its predecessor ends.
WITH ordered AS (
    SELECT
        strategy_id,
        valid_from_at,
        lag(coalesce(valid_to_at, 'infinity')) OVER (PARTITION BY strategy_id ORDER BY valid_from_at) AS previous_end_at
    FROM {{ ref('dim_strategy_history') }}
)

SELECT
    strategy_id,
    valid_from_at,
    previous_end_at
FROM ordered
WHERE valid_from_at < previous_end_at
