SELECT
    ticker,
    price_date,
    open_price,
    high_price,
    low_price,
    close_price,
    adjusted_close_price,
    volume,
    loaded_at
FROM {{ source('market', 'stock_prices') }}
