"""Repositories read and write by contract: validation, versions, pages, bulk loads, roles."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from groundwork.access.errors import (
    AccessRefusedError,
    DuplicateRowError,
    InvalidQueryError,
    InvalidRowsError,
    MissingReferenceError,
    NotReadyError,
    RowNotFoundError,
    StaleRowError,
)
from groundwork.access.query import Filter
from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain
from groundwork.model.errors import ConfigError
from tests.fix_access import SIGNAL_ID, STRATEGY_ID, count, price, signal, strategy
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def market_repositories(market_database: Database, market_domain: Domain) -> Repositories:
    return Repositories(market_database.engine, market_domain)


def test_rows_come_back_as_they_were_given(market_repositories: Repositories) -> None:
    rows = market_repositories["strategies"].insert([strategy(1), strategy(2), strategy(3)])
    assert [row["name"] for row in rows] == ["strategy_1", "strategy_2", "strategy_3"]
    found = market_repositories["market.strategies"].get(STRATEGY_ID)
    assert found == rows[0]
    assert found["config"] == {"window": 1}
    assert found["is_active"] is True
    with pytest.raises(TypeError):
        found["name"] = "other"  # type: ignore[index]


def test_a_row_that_is_not_there_is_null(market_repositories: Repositories) -> None:
    assert market_repositories["strategies"].get(str(STRATEGY_ID)) is None
    assert market_repositories["stock_prices"].get(("IBM", "2012-06-01")) is None


def test_defaults_make_the_key(market_repositories: Repositories) -> None:
    given = [{"name": f"made_{number}", "priority": number} for number in range(3)]
    rows = market_repositories["strategies"].insert(given)
    assert [row["name"] for row in rows] == ["made_0", "made_1", "made_2"]
    assert len({row["strategy_id"] for row in rows}) == 3
    assert rows[0]["description"] is None


def test_rows_with_different_columns_keep_their_order(market_repositories: Repositories) -> None:
    given = [strategy(1), {"name": "made_here", "priority": 1}, strategy(3, description="third")]
    rows = market_repositories["strategies"].insert(given)
    assert [row["name"] for row in rows] == ["strategy_1", "made_here", "strategy_3"]


def test_every_error_of_every_row_is_told_at_once(market_repositories: Repositories, market_database: Database) -> None:
    bad = strategy(2, name="Not Good", priority=2000, prority=3)
    del bad["strategy_id"]
    with pytest.raises(InvalidRowsError) as raised:
        market_repositories["strategies"].insert([strategy(1), bad, {"priority": "high", "is_active": 1}])
    found = {(error.row, error.column) for error in raised.value.errors}
    assert found == {(1, "name"), (1, "priority"), (1, "prority"), (2, "name"), (2, "priority"), (2, "is_active")}
    misspelt = next(error for error in raised.value.errors if error.column == "prority")
    assert misspelt.suggestion == "did you mean `priority`?"
    assert count(market_database.engine, "strategies") == 0


def test_a_hostile_value_makes_a_short_error(market_repositories: Repositories) -> None:
    with pytest.raises(InvalidRowsError) as raised:
        market_repositories["strategies"].insert([strategy(name="x" * 1_000_000, priority=10**5000, is_active="é\n")])
    assert all(len(error.found) < 120 and error.found.isascii() for error in raised.value.errors if error.row == 0)
    assert {error.column for error in raised.value.errors} == {"name", "priority", "is_active"}


def test_constraints_of_the_database_speak_the_same_words(market_repositories: Repositories) -> None:
    with pytest.raises(MissingReferenceError, match="does not exist"):
        market_repositories["trading_signals"].insert([signal()])
    with pytest.raises(InvalidRowsError, match="low_price <= open_price"):
        market_repositories["stock_prices"].insert([price(low_price=11)])
    market_repositories["strategies"].insert([strategy()])
    with pytest.raises(DuplicateRowError, match="name"):
        market_repositories["strategies"].insert([strategy(2, name="strategy_1")])
    with pytest.raises(DuplicateRowError, match="strategy_id"):
        market_repositories["strategies"].insert([strategy()])


def test_an_update_needs_the_version_that_was_read(market_repositories: Repositories) -> None:
    repository = market_repositories["strategies"]
    (first,) = repository.insert([strategy()])
    second = repository.update(STRATEGY_ID, {"priority": 5}, expected_version=first.version)
    assert second["priority"] == 5
    assert second["updated_at"] > first["updated_at"]
    with pytest.raises(StaleRowError, match="read the row again"):
        repository.update(STRATEGY_ID, {"priority": 6}, expected_version=first.version)
    assert repository.update(STRATEGY_ID, {"priority": 6}, expected_version=None)["priority"] == 6
    with pytest.raises(RowNotFoundError):
        repository.update(uuid.UUID(int=1), {"priority": 6}, expected_version=first.version)


def test_the_version_moves_within_one_transaction(market_repositories: Repositories) -> None:
    market_repositories["strategies"].insert([strategy()])
    with market_repositories.transaction() as transaction:
        versions = {
            transaction["strategies"].update(STRATEGY_ID, {"priority": number}, expected_version=None).version
            for number in range(20)
        }
    assert len(versions) == 20


def test_a_table_without_a_version_column_is_locked_by_its_row_version(market_repositories: Repositories) -> None:
    repository = market_repositories["stock_prices"]
    (first,) = repository.insert([price()])
    second = repository.update(first_key := ("IBM", date(2012, 6, 1)), {"volume": 7}, expected_version=first.version)
    assert second.version != first.version
    with pytest.raises(StaleRowError):
        repository.update(first_key, {"volume": 8}, expected_version=first.version)
    with pytest.raises(StaleRowError):
        repository.delete(first_key, expected_version=first.version)
    repository.delete(first_key, expected_version=second.version)
    with pytest.raises(RowNotFoundError):
        repository.delete(first_key)


@pytest.mark.parametrize("changes", [{}, {"strategy_id": STRATEGY_ID}, {"updated_at": "2020-01-01T00:00:00Z"}])
def test_keys_and_versions_cannot_be_changed(market_repositories: Repositories, changes: dict[str, object]) -> None:
    market_repositories["strategies"].insert([strategy()])
    with pytest.raises(InvalidRowsError):
        market_repositories["strategies"].update(STRATEGY_ID, changes, expected_version=None)


def test_a_row_that_others_point_at_stays(market_repositories: Repositories) -> None:
    market_repositories["strategies"].insert([strategy()])
    market_repositories["stock_prices"].insert([price()])
    market_repositories["trading_signals"].insert([signal()])
    with pytest.raises(MissingReferenceError, match="still points"):
        market_repositories["strategies"].delete(STRATEGY_ID)
    assert market_repositories["trading_signals"].get(SIGNAL_ID)["strength"] == Decimal("0.5")


def test_upsert_touches_only_what_differs(market_repositories: Repositories) -> None:
    repository = market_repositories["strategies"]
    repository.insert([strategy(1), strategy(2)])
    before = repository.get(STRATEGY_ID)
    outcome = repository.upsert([strategy(1), strategy(2, priority=99), strategy(3)])
    assert (outcome.written, outcome.unchanged) == (2, 1)
    assert repository.get(STRATEGY_ID) == before
    assert [row["priority"] for row in repository.pages()] == [10, 99, 30]
    with pytest.raises(InvalidRowsError, match="each key once"):
        repository.upsert([strategy(1), strategy(1)])


def test_upsert_works_on_a_partitioned_table(market_repositories: Repositories) -> None:
    repository = market_repositories["stock_prices"]
    days = [date(2012, 12, 30) + timedelta(days=number) for number in range(4)]
    assert repository.upsert([price(day=day) for day in days]).written == 4
    assert repository.upsert([price(day=day, volume=5) for day in days[:2]]).written == 2
    assert repository.upsert([price(day=day, volume=5) for day in days[:2]]).unchanged == 2


def test_bulk_insert_is_all_or_nothing(market_repositories: Repositories, market_database: Database) -> None:
    def rows(broken_at: int | None) -> Iterator[dict[str, object]]:
        for number in range(5000):
            volume = -1 if number == broken_at else number
            yield price(day=date(2000, 1, 3) + timedelta(days=number), volume=volume)

    repository = market_repositories["stock_prices"]
    with pytest.raises(InvalidRowsError) as raised:
        repository.bulk_insert(rows(broken_at=4321), batch_rows=1000)
    assert raised.value.errors[0].row == 4321
    assert count(market_database.engine, "stock_prices") == 0
    assert repository.bulk_insert(rows(broken_at=None), batch_rows=1000) == 5000
    with pytest.raises(DuplicateRowError):
        repository.bulk_insert(rows(broken_at=None))
    assert count(market_database.engine, "stock_prices") == 5000


def test_bulk_insert_takes_documents_and_nulls(market_repositories: Repositories) -> None:
    rows = [strategy(1, config={"a": [1, None, "é"]}), {"name": "made_here", "priority": 1, "description": None}]
    assert market_repositories["strategies"].bulk_insert(rows) == 2
    assert market_repositories["strategies"].get(STRATEGY_ID)["config"] == {"a": [1, None, "é"]}


def test_a_transaction_is_undone_as_a_whole(market_repositories: Repositories, market_database: Database) -> None:
    def insert_both() -> None:
        with market_repositories.transaction() as transaction:
            transaction["strategies"].insert([strategy()])
            transaction["trading_signals"].insert([signal()])

    with pytest.raises(MissingReferenceError):
        insert_both()
    assert count(market_database.engine, "strategies") == 0


def test_filters_and_order(market_repositories: Repositories) -> None:
    repository = market_repositories["stock_prices"]
    days = [date(2012, 1, 1) + timedelta(days=number) for number in range(10)]
    repository.insert([price(ticker, day, volume=day.day) for ticker in ("IBM", "AAPL") for day in days])
    filters = [Filter(column="ticker", value="IBM"), Filter(column="price_date", operator="gte", value="2012-01-04")]
    page = repository.list(filters, order=["-price_date"], limit=3)
    assert [row["price_date"].day for row in page.rows] == [10, 9, 8]
    rest = repository.list(filters, order=["-price_date"], cursor=page.cursor)
    assert [row["price_date"].day for row in rest.rows] == [7, 6, 5, 4]
    assert rest.cursor is None
    chosen = repository.list([Filter(column="volume", operator="in", value=[3, 4])]).rows
    assert {row["volume"] for row in chosen} == {3, 4}
    mixed = repository.list(order=["ticker", "-price_date"], limit=12)
    assert [(row["ticker"], row["price_date"].day) for row in mixed.rows[9:]] == [("AAPL", 1), ("IBM", 10), ("IBM", 9)]
    after = repository.list(order=["ticker", "-price_date"], limit=12, cursor=mixed.cursor)
    assert [row["price_date"].day for row in after.rows] == [8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        {"filters": [Filter(column="nothing", value=1)]},
        {"filters": [Filter(column="priority", operator="like", value=1)]},
        {"filters": [Filter(column="priority", value="1; DROP TABLE market.strategies")]},
        {"filters": [Filter(column="priority", operator="in", value=[])]},
        {"order": ["description"]},
        {"order": ["priority", "-priority"]},
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "nonsense"},
    ],
)
def test_bad_queries_are_refused(market_repositories: Repositories, query: dict[str, object]) -> None:
    with pytest.raises(InvalidQueryError):
        market_repositories["strategies"].list(**query)  # type: ignore[arg-type]


def test_a_role_sees_masks_and_writes_by_its_grants(
    market_repositories: Repositories, market_database: Database, market_domain: Domain
) -> None:
    market_repositories["strategies"].insert([strategy()])
    reader = Repositories(market_database.engine, market_domain, role="market_reader")
    engineer = Repositories(market_database.engine, market_domain, role="market_engineer")
    assert reader["strategies"].get(STRATEGY_ID)["config"] is None
    found = engineer["strategies"].get(STRATEGY_ID)
    assert found["config"] == {"window": 1}
    engineer["strategies"].update(STRATEGY_ID, {"priority": 3}, expected_version=found.version)
    with pytest.raises(AccessRefusedError):
        reader["strategies"].update(STRATEGY_ID, {"priority": 4}, expected_version=None)
    with pytest.raises(AccessRefusedError):
        engineer["strategies"].delete(STRATEGY_ID)
    with pytest.raises(AccessRefusedError, match="masked"):
        reader["orders"].list([Filter(column="quantity", value=5)])
    with market_database.engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == "groundwork_test"


def test_unknown_roles_and_tables(market_database: Database, market_domain: Domain, database: Database) -> None:
    with pytest.raises(ConfigError, match="no role"):
        Repositories(market_database.engine, market_domain, role="postgres")
    with pytest.raises(ConfigError, match="no table"):
        Repositories(market_database.engine, market_domain)["pg_authid"]


def test_tables_that_do_not_exist_yet(database: Database, market_domain: Domain) -> None:
    with pytest.raises(NotReadyError, match="data_foundation"):
        Repositories(database.engine, market_domain)["orders"].list(limit=1)
