SELECT
    ticker,
    company_name,
    sector,
    as_of_date
FROM {{ source('market', 'dividend_aristocrats') }}
