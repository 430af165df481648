WITH tickers AS (
    SELECT ticker FROM {{ ref('stg_stock_prices') }}
    UNION
    SELECT ticker FROM {{ ref('stg_dividend_aristocrats') }}
),

collected AS (
    SELECT
        ticker,
        min(price_date) AS first_price_date,
        max(price_date) AS last_price_date
    FROM {{ ref('stg_stock_prices') }}
    GROUP BY ticker
)

SELECT
    tickers.ticker,
    aristocrats.company_name,
    aristocrats.sector,
    aristocrats.ticker IS NOT NULL AS is_dividend_aristocrat,
    collected.first_price_date,
    collected.last_price_date
FROM tickers
LEFT JOIN {{ ref('stg_dividend_aristocrats') }} AS aristocrats ON tickers.ticker = aristocrats.ticker
LEFT JOIN collected ON tickers.ticker = collected.ticker
