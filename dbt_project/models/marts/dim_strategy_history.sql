SELECT
    version_id AS strategy_version_id,
    strategy_id,
    strategy_name,
    priority,
    is_active,
    valid_from_at,
    valid_to_at,
    valid_to_at IS NULL AS is_current
FROM {{ ref('strategies_snapshot') }}
