SELECT
    strategy_id,
    name AS strategy_name,
    description AS strategy_description,
    priority,
    is_active,
    created_at,
    updated_at
FROM {{ source('market', 'strategies') }}
