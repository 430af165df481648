-- A conflict has a holder and a challenger, and one of them wins: each row that comes back is a conflict without.
SELECT
    conflicts.conflict_id,
    count(parties.strategy_id) AS party_count,
    count(*) FILTER (WHERE parties.is_winner) AS winner_count
FROM {{ ref('fct_conflicts') }} AS conflicts
LEFT JOIN {{ ref('fct_conflicts_by_strategy') }} AS parties ON conflicts.conflict_id = parties.conflict_id
GROUP BY conflicts.conflict_id
HAVING count(parties.strategy_id) <> 2 OR count(*) FILTER (WHERE parties.is_winner) <> 1
