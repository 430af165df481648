"""The tables `orders`, `position_ownership` and `conflict_logs`: rows of one run of the trading book.

All three come from the same simulation (`groundwork.market.simulation`) over the loaded signals, strategies and prices,
so they always agree with one another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, select

from groundwork.contracts.contract import Domain
from groundwork.market.prices import read_prices
from groundwork.market.simulation import Book, Signal, trade
from groundwork.market.strategies import read_strategies
from groundwork.market.warehouse import table_in

Rows = Iterator[Mapping[str, Any]]


def order_rows(connection: Connection, domain: Domain, schema: str) -> Rows:
    """Rows of `orders`, by ticker and time."""
    for order in read_book(connection, domain, schema).orders:
        yield {
            "order_id": order.order_id,
            "strategy_id": order.strategy_id,
            "signal_id": order.signal_id,
            "ticker": order.ticker,
            "side": order.side,
            "quantity": order.quantity,
            "limit_price": order.limit_price,
            "status": order.status,
            "placed_at": order.placed_at,
        }


def ownership_rows(connection: Connection, domain: Domain, schema: str) -> Rows:
    """Rows of `position_ownership`, by ticker and time; the last of a ticker may be open."""
    for stretch in read_book(connection, domain, schema).stretches:
        yield {
            "ownership_id": stretch.ownership_id,
            "ticker": stretch.ticker,
            "strategy_id": stretch.strategy_id,
            "acquired_at": stretch.acquired_at,
            "lock_expires_at": stretch.lock_expires_at,
            "released_at": stretch.released_at,
            "release_reason": stretch.release_reason,
        }


def conflict_rows(connection: Connection, domain: Domain, schema: str) -> Rows:
    """Rows of `conflict_logs`, by ticker and time."""
    for conflict in read_book(connection, domain, schema).conflicts:
        yield {
            "conflict_id": conflict.conflict_id,
            "ticker": conflict.ticker,
            "detected_at": conflict.detected_at,
            "holder_strategy_id": conflict.holder_strategy_id,
            "challenger_strategy_id": conflict.challenger_strategy_id,
            "resolution": conflict.resolution,
            "details": {
                "holder_priority": conflict.holder_priority,
                "challenger_priority": conflict.challenger_priority,
                "lock_expires_at": conflict.lock_expires_at.isoformat(),
                "signal_id": str(conflict.signal_id),
            },
        }


def read_book(connection: Connection, domain: Domain, schema: str) -> Book:
    """The book that the loaded signals, strategies and prices make."""
    strategies = {strategy.strategy_id: strategy for strategy in read_strategies(connection, domain, schema)}
    signals = _signals(connection, domain, schema)
    book = Book()
    for ticker, days in read_prices(connection, domain, schema):
        trade(book, ticker, days, signals.get(ticker, []), strategies)
    return book


def _signals(connection: Connection, domain: Domain, schema: str) -> Mapping[str, list[Signal]]:
    table = table_in(domain, "trading_signals", schema)
    columns = (table.c.signal_id, table.c.strategy_id, table.c.ticker, table.c.signal_date, table.c.action)
    found: dict[str, list[Signal]] = defaultdict(list)
    for row in connection.execute(select(*columns).order_by(table.c.signal_date)):
        signal = Signal(
            signal_id=row.signal_id, strategy_id=row.strategy_id, signal_date=row.signal_date, action=row.action
        )
        found[row.ticker].append(signal)
    return found
