-- The key of the fact is the pair: each row that comes back is a pair that occurs more than once.
SELECT
    ticker,
    price_date,
    count(*) AS row_count
FROM {{ ref('fct_daily_prices') }}
GROUP BY ticker, price_date
HAVING count(*) > 1
