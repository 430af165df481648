"""The tables that the strategies make from the real prices keep the rules of the book."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fix_market import Market

pytestmark = pytest.mark.postgres


def count(market: Market, query: str) -> int:
    return int(market.value(f"SELECT count(*) FROM ({query}) AS found"))


def test_every_kind_of_conflict_happens_on_real_prices(loaded_market: Market) -> None:
    found = Counter(row.resolution for row in loaded_market.rows("SELECT resolution FROM market.conflict_logs"))
    assert set(found) == {"priority_takeover", "holder_kept", "lock_expired"}
    assert min(found.values()) >= 10
    reasons = {
        row.reason for row in loaded_market.rows("SELECT release_reason AS reason FROM market.position_ownership")
    }
    assert reasons == {"sold", "priority_takeover", "lock_expired", None}


def test_a_ticker_has_one_owner_at_a_time(loaded_market: Market) -> None:
    open_twice = "SELECT ticker FROM market.position_ownership WHERE released_at IS NULL GROUP BY 1 HAVING count(*) > 1"
    assert count(loaded_market, open_twice) == 0
    overlapping = """
        SELECT 1 FROM market.position_ownership one JOIN market.position_ownership other USING (ticker)
        WHERE one.ownership_id < other.ownership_id
          AND tstzrange(one.acquired_at, one.released_at) && tstzrange(other.acquired_at, other.released_at)
    """
    assert count(loaded_market, overlapping) == 0


@pytest.mark.parametrize(
    "broken",
    [
        # a takeover needs higher priority and a lock that holds
        """SELECT 1 FROM market.conflict_logs WHERE resolution = 'priority_takeover'
           AND NOT ((details->>'challenger_priority')::int > (details->>'holder_priority')::int
                    AND detected_at < (details->>'lock_expires_at')::timestamptz)""",
        # who keeps a ticker has a lock that holds and no lower priority
        """SELECT 1 FROM market.conflict_logs WHERE resolution = 'holder_kept'
           AND NOT ((details->>'challenger_priority')::int <= (details->>'holder_priority')::int
                    AND detected_at < (details->>'lock_expires_at')::timestamptz)""",
        # an expired lock has expired
        """SELECT 1 FROM market.conflict_logs WHERE resolution = 'lock_expired'
           AND detected_at < (details->>'lock_expires_at')::timestamptz""",
        # every lost ownership has its conflict, at the same moment, between the same two
        """SELECT 1 FROM market.position_ownership lost WHERE release_reason IN ('priority_takeover', 'lock_expired')
           AND NOT EXISTS (
             SELECT 1 FROM market.conflict_logs c JOIN market.position_ownership won
               ON won.ticker = c.ticker AND won.acquired_at = c.detected_at
               AND won.strategy_id = c.challenger_strategy_id
             WHERE c.ticker = lost.ticker AND c.detected_at = lost.released_at AND c.resolution = lost.release_reason
               AND c.holder_strategy_id = lost.strategy_id)""",
        # the holder of a conflict owned the ticker then
        """SELECT 1 FROM market.conflict_logs c WHERE NOT EXISTS (
             SELECT 1 FROM market.position_ownership o WHERE o.ticker = c.ticker
             AND o.strategy_id = c.holder_strategy_id AND o.acquired_at <= c.detected_at
             AND coalesce(o.released_at, 'infinity') >= c.detected_at)""",
        # orders are placed by the owner, for a signal of the same strategy, ticker and side
        """SELECT 1 FROM market.orders o LEFT JOIN market.trading_signals s
             ON s.signal_id = o.signal_id AND s.strategy_id = o.strategy_id AND s.ticker = o.ticker
             AND s.action = o.side
           WHERE s.signal_id IS NULL OR NOT EXISTS (
             SELECT 1 FROM market.position_ownership p WHERE p.ticker = o.ticker AND p.strategy_id = o.strategy_id
             AND o.placed_at BETWEEN p.acquired_at AND coalesce(p.released_at, 'infinity'))""",
        # limits lie at the side of the close that the order may reach
        """SELECT 1 FROM market.orders o JOIN market.trading_signals s USING (signal_id)
             JOIN market.stock_prices p ON p.ticker = s.ticker AND p.price_date = s.signal_date
           WHERE CASE o.side WHEN 'buy' THEN o.limit_price < p.close_price ELSE o.limit_price > p.close_price END""",
    ],
    ids=["takeover", "kept", "expired", "lost", "holder", "orders", "limits"],
)
def test_the_rules_hold_in_every_row(loaded_market: Market, broken: str) -> None:
    assert count(loaded_market, broken) == 0


def test_signals_follow_from_the_prices_alone(loaded_market: Market) -> None:
    # The trend rule again, by the server's own window functions: an independent way to the same days.
    independent = loaded_market.rows("""
        WITH averages AS (
          SELECT ticker, price_date, row_number() OVER day AS number,
                 avg(adjusted_close_price) OVER (day ROWS 19 PRECEDING)
                 - avg(adjusted_close_price) OVER (day ROWS 49 PRECEDING) AS distance
          FROM market.stock_prices WINDOW day AS (PARTITION BY ticker ORDER BY price_date)),
        steps AS (
          SELECT *, lag(distance) OVER (PARTITION BY ticker ORDER BY price_date) AS before FROM averages)
        SELECT ticker, price_date, CASE WHEN distance > 0 THEN 'buy' ELSE 'sell' END
        FROM steps WHERE number > 50 AND (before <= 0) <> (distance <= 0) ORDER BY 1, 2
    """)
    found = loaded_market.rows("""
        SELECT ticker, signal_date, action FROM market.trading_signals JOIN market.strategies USING (strategy_id)
        WHERE name = 'trend_following' ORDER BY 1, 2
    """)
    assert [tuple(row) for row in found] == [tuple(row) for row in independent]
    assert len(found) > 100


def test_progress_tells_how_far_each_ticker_is(loaded_market: Market) -> None:
    rows = loaded_market.rows("SELECT ticker, row_count, status FROM market.data_collection_progress ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("AAPL", 3270, "complete"),
        ("FB", 196, "complete"),
        ("GOOG", 2148, "complete"),
        ("IBM", 3270, "complete"),
        ("MSFT", 3270, "complete"),
    ]


def test_new_prices_really_update_what_was_computed(market: Market, loaded_market: Market) -> None:
    middle = loaded_market.value("""
        SELECT (acquired_at + (released_at - acquired_at) / 2)::date FROM market.position_ownership
        WHERE ticker = 'IBM' AND released_at > acquired_at + interval '20 days' ORDER BY acquired_at DESC LIMIT 1
    """)
    market.load("stock_prices")
    market.load("strategies")
    market.run("DELETE FROM market.stock_prices WHERE price_date > :middle OR ticker <> 'IBM'", middle=middle)
    computed = ("data_collection_progress", "trading_signals", "orders", "position_ownership", "conflict_logs")
    before = {name: market.load(name) for name in computed}
    assert before["orders"].loaded > 0
    market.load("stock_prices")
    after = {name: market.load(name) for name in computed}
    assert after["data_collection_progress"].updated == 1
    assert after["data_collection_progress"].loaded == 4
    assert after["trading_signals"].unchanged == before["trading_signals"].loaded
    assert after["position_ownership"].updated == 1  # the stretch that was open has ended
    assert all(result.quarantined == 0 and result.is_balanced for result in after.values())
