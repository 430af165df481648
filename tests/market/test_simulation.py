"""The rules of the trading book, one by one, on days made for each."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from decimal import Decimal

from groundwork.market.prices import Day
from groundwork.market.simulation import Book, Signal, trade
from groundwork.market.strategies import Strategy

FIRST = date(2020, 1, 1)
LOW, HIGH = (
    Strategy(
        strategy_id=uuid.UUID(int=number),
        name=name,
        priority=priority,
        config={"lock_days": 10, "order_value_usd": 1000, "limit_tolerance_pct": 5},
        is_active=True,
    )
    for number, name, priority in ((1, "low", 1), (2, "high", 2))
)


def days(*closes: float) -> list[Day]:
    return [
        Day(
            price_date=FIRST + timedelta(days=number),
            low=Decimal(str(close)) - 1,
            high=Decimal(str(close)) + 1,
            close=Decimal(str(close)),
            adjusted_close=Decimal(str(close)),
        )
        for number, close in enumerate(closes)
    ]


def run(signals: list[tuple[int, Strategy, str]], closes: list[float] | None = None, **inactive: bool) -> Book:
    book = Book()
    found = [
        Signal(
            signal_id=uuid.uuid5(strategy.strategy_id, f"{number}"),
            strategy_id=strategy.strategy_id,
            signal_date=FIRST + timedelta(days=number),
            action=action,
        )
        for number, strategy, action in signals
    ]
    trade(book, "X", days(*(closes or [100.0] * 30)), found, {each.strategy_id: each for each in (LOW, HIGH)})
    return book


def ends(book: Book) -> list[tuple[str, str | None]]:
    names = {LOW.strategy_id: "low", HIGH.strategy_id: "high"}
    return [(names[each.strategy_id], each.release_reason) for each in book.stretches]


def test_a_buy_takes_a_free_ticker_under_a_lock_and_a_sell_releases_it() -> None:
    book = run([(0, LOW, "buy"), (3, LOW, "sell")])
    (stretch,) = book.stretches
    assert stretch.lock_expires_at - stretch.acquired_at == timedelta(days=10)
    assert stretch.release_reason == "sold"
    assert [(each.side, each.quantity, each.limit_price, each.status) for each in book.orders] == [
        ("buy", 10, Decimal("105.0000"), "filled"),
        ("sell", 10, Decimal("95.0000"), "filled"),
    ]
    assert book.conflicts == []


def test_higher_priority_takes_over_while_the_lock_holds() -> None:
    book = run([(0, LOW, "buy"), (5, HIGH, "buy")])
    assert ends(book) == [("low", "priority_takeover"), ("high", None)]
    assert [each.resolution for each in book.conflicts] == ["priority_takeover"]
    assert book.stretches[0].released_at == book.stretches[1].acquired_at


def test_lower_priority_loses_while_the_lock_holds() -> None:
    book = run([(0, HIGH, "buy"), (9, LOW, "buy")])
    assert ends(book) == [("high", None)]
    assert [each.resolution for each in book.conflicts] == ["holder_kept"]
    assert len(book.orders) == 1


def test_an_expired_lock_is_lost_to_anybody() -> None:
    book = run([(0, HIGH, "buy"), (10, LOW, "buy")])
    assert ends(book) == [("high", "lock_expired"), ("low", None)]
    assert [each.resolution for each in book.conflicts] == ["lock_expired"]


def test_the_position_passes_on_with_the_ownership() -> None:
    book = run([(0, LOW, "buy"), (5, HIGH, "buy"), (8, HIGH, "sell")])
    assert [each.quantity for each in book.orders] == [10, 10, 20]


def test_only_the_owner_sells_and_sells_come_first_in_a_day() -> None:
    book = run([(0, LOW, "buy"), (2, HIGH, "sell"), (4, HIGH, "buy"), (4, LOW, "sell")])
    assert ends(book) == [("low", "sold"), ("high", None)]
    assert book.conflicts == []


def test_on_one_day_higher_priority_comes_first() -> None:
    book = run([(0, LOW, "buy"), (0, HIGH, "buy")])
    assert ends(book) == [("high", None)]
    assert [each.resolution for each in book.conflicts] == ["holder_kept"]


def test_buying_again_what_one_owns_changes_nothing() -> None:
    book = run([(0, LOW, "buy"), (3, LOW, "buy")])
    assert (len(book.stretches), len(book.orders), len(book.conflicts)) == (1, 1, 0)


def test_an_order_of_the_last_day_is_open_and_one_out_of_reach_is_cancelled() -> None:
    assert [each.status for each in run([(29, LOW, "buy")]).orders] == ["open"]
    jump = run([(0, LOW, "buy"), (1, LOW, "sell")], [100.0, 200.0, 200.0])
    assert [each.status for each in jump.orders] == ["cancelled"]  # nothing was bought, so nothing is sold
    assert ends(jump) == [("low", "sold")]
    fall = run([(0, LOW, "buy"), (1, LOW, "sell")], [100.0, 100.0, 10.0])
    assert [each.status for each in fall.orders] == ["filled", "cancelled"]
    assert ends(fall) == [("low", None)]  # what was not sold stays owned


def test_signals_without_price_or_strategy_are_passed_over() -> None:
    stranger = Strategy(strategy_id=uuid.UUID(int=9), name="x", priority=9, config={}, is_active=True)
    assert run([(99, LOW, "buy"), (1, stranger, "buy")]).stretches == []
