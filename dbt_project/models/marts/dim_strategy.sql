SELECT
    strategy_id,
    strategy_name,
    strategy_description,
    priority,
    is_active
FROM {{ ref('stg_strategies') }}
