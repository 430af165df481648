-- A row depends on its own price and on the one before it, wherever a late price is put in between.
WITH ordered AS (
    SELECT
        ticker,
        price_date,
        open_price,
        high_price,
        low_price,
        close_price,
        adjusted_close_price,
        volume,
        lag(adjusted_close_price) OVER by_ticker AS previous_adjusted_close_price,
        greatest(loaded_at, lag(loaded_at) OVER by_ticker) AS inputs_loaded_at
    FROM {{ ref('stg_stock_prices') }}
    WINDOW by_ticker AS (PARTITION BY ticker ORDER BY price_date)
)

SELECT
    ticker,
    price_date,
    open_price,
    high_price,
    low_price,
    close_price,
    adjusted_close_price,
    volume,
    (adjusted_close_price / previous_adjusted_close_price - 1)::numeric(18, 10) AS daily_return,
    ln(adjusted_close_price / previous_adjusted_close_price)::numeric(18, 10) AS log_return,
    inputs_loaded_at
FROM ordered
