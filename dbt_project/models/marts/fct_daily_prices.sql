{{
    config(
        materialized='incremental',
        unique_key=['ticker', 'price_date'],
        incremental_strategy='merge',
        on_schema_change='fail',
        indexes=[{'columns': ['ticker', 'price_date'], 'unique': true}, {'columns': ['price_date']}]
    )
}}

-- A row depends on its own price and on the one before it, so it is made anew when either was loaded after the last
-- run: that also covers prices that arrive late, in the middle of a history.
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
{% if is_incremental() %}
WHERE inputs_loaded_at > (SELECT coalesce(max(inputs_loaded_at), '-infinity') FROM {{ this }})
{% endif %}
