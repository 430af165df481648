-- The challenger wins a conflict by a takeover or because the holder's lock ran out; else the holder does.
WITH parties AS (
    SELECT
        conflict_id,
        ticker,
        detected_at,
        holder_strategy_id AS strategy_id,
        challenger_strategy_id AS opponent_strategy_id,
        'holder' AS party,
        resolution,
        resolution = 'holder_kept' AS is_winner
    FROM {{ ref('stg_conflict_logs') }}
    UNION ALL
    SELECT
        conflict_id,
        ticker,
        detected_at,
        challenger_strategy_id AS strategy_id,
        holder_strategy_id AS opponent_strategy_id,
        'challenger' AS party,
        resolution,
        resolution <> 'holder_kept' AS is_winner
    FROM {{ ref('stg_conflict_logs') }}
)

SELECT
    parties.conflict_id,
    parties.strategy_id,
    parties.opponent_strategy_id,
    parties.party,
    parties.ticker,
    parties.detected_at,
    parties.resolution,
    parties.is_winner,
    own.priority - opponent.priority AS priority_difference
FROM parties
INNER JOIN {{ ref('stg_strategies') }} AS own ON parties.strategy_id = own.strategy_id
INNER JOIN {{ ref('stg_strategies') }} AS opponent ON parties.opponent_strategy_id = opponent.strategy_id
