"""The domain `market` in a real database: its tables empty, or loaded from the declared sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table
from groundwork.flow.loads.order import load_levels
from groundwork.flow.record import Source
from groundwork.flow.source import file_source
from groundwork.flow.sources.origin import Origin
from tests.fix_postgres import Database

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Market:
    """The domain and the database that holds its tables."""

    domain: Domain
    engine: Engine

    def load(self, name: str, **options: Any) -> LoadResult:
        """Load one table from its declared source, or from another by `source_override`."""
        options = {"project": PROJECT, "run_id": "test", **options}
        return load_table(self.engine, self.domain, self.domain.table(name), **options)

    def load_all(self, run_id: str = "test") -> dict[str, LoadResult]:
        """Load every table in order; results by name."""
        tables = [table for level in load_levels(self.domain) for table in level]
        return {table.name: self.load(table.name, run_id=run_id) for table in tables}

    def source(self, name: str, path: Path, **options: Any) -> Source:
        """A file in the form that the table's source declares, wherever it lies."""
        return file_source(self.domain.table(name), Origin(project=path.parent, path=path.name), **options)

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        """What a query returns."""
        with self.engine.connect() as connection:
            return connection.execute(text(query), values).all()

    def value(self, query: str, **values: Any) -> Any:
        """The one value a query returns."""
        return self.rows(query, **values)[0][0]

    def run(self, statement: str, **values: Any) -> None:
        """Run one statement and commit it."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)


@pytest.fixture(scope="session")
def market_domain() -> Domain:
    """The shipped contracts."""
    return read_domain("market", PROJECT / "governance" / "contracts")


@pytest.fixture
def market(database: Database, market_domain: Domain) -> Market:
    """The domain's tables, empty, in a database of the test's own."""
    return _made(database, market_domain)


@pytest.fixture(scope="module")
def loaded_market(module_database: Database, market_domain: Domain) -> Market:
    """The domain's tables, loaded; tests that share it must leave the rows as they are."""
    market = _made(module_database, market_domain)
    market.load_all()
    return market


def _made(database: Database, domain: Domain) -> Market:
    with database.engine.begin() as connection:
        for statement in statements(domain):
            run(connection, statement.sql)
    return Market(domain=domain, engine=database.engine)
