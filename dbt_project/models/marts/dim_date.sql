WITH bounds AS (
    SELECT
        date_trunc('year', min(price_date))::date AS first_date,
        (date_trunc('year', max(price_date)) + INTERVAL '1 year' - INTERVAL '1 day')::date AS last_date
    FROM {{ ref('stg_stock_prices') }}
),

days AS (
    SELECT day::date AS calendar_date
    FROM bounds
    CROSS JOIN LATERAL generate_series(bounds.first_date, bounds.last_date, INTERVAL '1 day') AS series (day)
),

trading_days AS (
    SELECT DISTINCT price_date
    FROM {{ ref('stg_stock_prices') }}
)

SELECT
    days.calendar_date,
    extract(YEAR FROM days.calendar_date)::integer AS calendar_year,
    extract(QUARTER FROM days.calendar_date)::integer AS calendar_quarter,
    extract(MONTH FROM days.calendar_date)::integer AS calendar_month,
    extract(ISODOW FROM days.calendar_date)::integer AS iso_weekday,
    trading_days.price_date IS NOT NULL AS is_trading_day
FROM days
LEFT JOIN trading_days ON days.calendar_date = trading_days.price_date
