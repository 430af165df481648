SELECT
    signal_id,
    strategy_id,
    ticker,
    signal_date,
    action,
    strength,
    decision_id
FROM {{ source('market', 'trading_signals') }}
