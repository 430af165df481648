-- The incremental fact has exactly the prices that were loaded: each row that comes back is missing on one side.
SELECT
    coalesce(loaded.ticker, fact.ticker) AS ticker,
    coalesce(loaded.price_date, fact.price_date) AS price_date
FROM {{ ref('stg_stock_prices') }} AS loaded
FULL OUTER JOIN {{ ref('fct_daily_prices') }} AS fact
    ON loaded.ticker = fact.ticker AND loaded.price_date = fact.price_date
WHERE loaded.ticker IS NULL OR fact.ticker IS NULL
