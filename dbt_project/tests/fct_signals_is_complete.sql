-- The incremental fact has exactly the signals that were given: each row that comes back is missing on one side.
SELECT coalesce(given.signal_id, fact.signal_id) AS signal_id
FROM {{ ref('stg_trading_signals') }} AS given
FULL OUTER JOIN {{ ref('fct_signals') }} AS fact ON given.signal_id = fact.signal_id
WHERE given.signal_id IS NULL OR fact.signal_id IS NULL
