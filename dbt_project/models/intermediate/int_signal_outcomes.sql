WITH prices AS (
    SELECT
        ticker,
        price_date,
        close_price,
        (lead(daily_return) OVER (PARTITION BY ticker ORDER BY price_date))::numeric(18, 10) AS next_daily_return
    FROM {{ ref('fct_daily_prices') }}
)

SELECT
    signals.signal_id,
    signals.strategy_id,
    signals.ticker,
    signals.signal_date,
    signals.action,
    signals.strength,
    signals.decision_id,
    prices.close_price AS signal_close_price,
    prices.next_daily_return
FROM {{ ref('stg_trading_signals') }} AS signals
LEFT JOIN prices ON signals.ticker = prices.ticker AND signals.signal_date = prices.price_date
