"""The market domain as empty tables with its roles and masked views, for the tests of the access layer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.governance.access import apply_access
from groundwork.local.postgres import EmbeddedPostgres
from tests.fix_postgres import Database, _fresh_database

_GOVERNANCE = Path(__file__).parents[1] / "governance"
POLICIES = _GOVERNANCE / "policies"
STRATEGY_ID = uuid.UUID("00000000-0000-4000-8000-000000000001")
SIGNAL_ID = uuid.UUID("00000000-0000-4000-8000-000000000002")


def make_market(engine: Engine, domain: Domain) -> None:
    """Tables, roles, grants and masked views of the domain, as the data foundation makes them."""
    with engine.begin() as connection:
        for statement in statements(domain):
            connection.exec_driver_sql(statement.sql)
    apply_access(engine, domain, POLICIES)


@pytest.fixture
def market_database(database: Database, market_domain: Domain) -> Database:
    """A fresh database with the market's tables, empty."""
    make_market(database.engine, market_domain)
    return database


@pytest.fixture(scope="module")
def module_market_database(postgres: EmbeddedPostgres, market_domain: Domain) -> Iterator[Database]:
    """One database with the market's tables for all tests of a module."""
    for database in _fresh_database(postgres):
        make_market(database.engine, market_domain)
        yield database


def strategy(number: int = 1, **changes: object) -> dict[str, object]:
    """A valid row of `strategies`."""
    return {
        "strategy_id": uuid.UUID(int=STRATEGY_ID.int + (number - 1) * 1000),
        "name": f"strategy_{number}",
        "priority": 10 * number,
        "config": {"window": number},
        **changes,
    }


def price(ticker: str = "IBM", day: date = date(2012, 6, 1), **changes: object) -> dict[str, object]:
    """A valid row of `stock_prices`."""
    row = {"open_price": 10, "high_price": 12, "low_price": 9, "close_price": 11, "adjusted_close_price": 11}
    return {"ticker": ticker, "price_date": day, **row, "volume": 1000, **changes}


def signal(**changes: object) -> dict[str, object]:
    """A valid row of `trading_signals`, which needs `strategy()` and `price()`."""
    return {
        "signal_id": SIGNAL_ID,
        "strategy_id": STRATEGY_ID,
        "ticker": "IBM",
        "signal_date": date(2012, 6, 1),
        "action": "buy",
        "strength": 0.5,
        "indicators": {"mean": 10.5},
        "decision_id": uuid.UUID(int=7),
        **changes,
    }


def count(engine: Engine, table: str) -> int:
    """Rows of `market.<table>`."""
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM market.{table}")).scalar_one())
