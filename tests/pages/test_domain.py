"""A domain's page from contracts, a real warehouse and a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from groundwork.pages import render
from groundwork.pages.domain import collect_domain
from groundwork.pages.sources import Sources
from groundwork.pages.table_view import DomainPage
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.pages import seed

pytestmark = pytest.mark.postgres
CONTRACTS = Path(__file__).resolve().parents[2] / "governance" / "contracts"
_TABLES = (
    "CREATE SCHEMA market",
    "CREATE TABLE market.stock_prices (ticker text, price_date date) PARTITION BY RANGE (price_date)",
    "CREATE TABLE market.one PARTITION OF market.stock_prices FOR VALUES FROM ('2000-01-01') TO ('2001-01-01')",
    "CREATE TABLE market.two PARTITION OF market.stock_prices DEFAULT",
    "CREATE TABLE market.orders (order_id uuid)",
    "INSERT INTO market.stock_prices SELECT 'IBM', date '2000-12-01' + n FROM generate_series(1, 100) n",
    "SELECT pg_stat_force_next_flush()",
)


@pytest.fixture
def sources(database: Database) -> Sources:
    """A migrated, empty store that is the warehouse too."""
    migrate(database.engine)
    return Sources(store=lambda: database.engine, warehouse=lambda: database.engine, contracts=CONTRACTS)


def html(page: DomainPage) -> str:
    return render.page("domain.html", base="/groundwork", version="1", domain_names=("market",), page=page)


def test_before_anything_exists_the_declarations_show(sources: Sources) -> None:
    page = collect_domain("market", sources)
    assert page.problems == ()
    assert len(page.tables) == 9
    assert {table.live for table in page.tables} == {None}
    made = html(page)
    for words in ("market.stock_prices", "numeric(14,4)", "confidential", "Must answer fast", "30 years"):
        assert words in made


def test_rows_and_size_come_from_statistics_over_all_partitions(sources: Sources, database: Database) -> None:
    with database.engine.begin() as connection:
        for statement in _TABLES:
            connection.execute(text(statement))
    live = {table.name: table.live for table in collect_domain("market", sources).tables}
    prices, orders = live["stock_prices"], live["orders"]
    assert prices is not None
    assert orders is not None
    assert prices.rows == 100
    assert prices.bytes >= 2 * 8192
    assert orders.rows == 0
    assert live["strategies"] is None


def test_scores_and_failing_checks_stand_with_their_table(sources: Sources, database: Database) -> None:
    seed.scores(database.engine, failing=3)
    seed.scores(database.engine, "orders")
    seed.loads(database.engine)
    tables = {table.name: table for table in collect_domain("market", sources).tables}
    prices = tables["stock_prices"]
    assert prices.quality is not None
    assert prices.quality.score == 0.97
    assert [(check.name, check.passed, check.observed) for check in prices.checks] == [
        ("volume: at least 0", False, "3 rows below 0")
    ]
    assert prices.load is not None
    assert prices.load.quarantined == 3
    assert [check.passed for check in tables["orders"].checks] == [True]
    assert "3 rows below 0" in html(collect_domain("market", sources))


def test_only_checks_of_the_newest_measurement_count(sources: Sources, database: Database) -> None:
    seed.scores(database.engine, failing=3, run_id="first")
    seed.scores(database.engine, run_id="second")
    tables = {table.name: table for table in collect_domain("market", sources).tables}
    assert [check.passed for check in tables["stock_prices"].checks] == [True]


def test_without_databases_the_declarations_still_show(sources: Sources) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/nothing")
    page = collect_domain("market", Sources(store=lambda: nowhere, warehouse=lambda: nowhere, contracts=CONTRACTS))
    assert [problem.what for problem in page.problems] == [
        "The warehouse does not answer.",
        "Groundwork's store does not answer.",
    ]
    assert "market.stock_prices" in html(page)


def test_contracts_that_cannot_be_read_are_the_page_s_problem(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "market").mkdir()
    (tmp_path / "market" / "one.odcs.yaml").write_text("schema: [\n")
    page = collect_domain("market", Sources(store=sources.store, warehouse=sources.warehouse, contracts=tmp_path))
    assert page.tables == ()
    assert "not valid YAML" in html(page)
