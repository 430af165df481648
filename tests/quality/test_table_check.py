"""A table's checks on another relation of its form: rows that wait to be published."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind
from groundwork.quality.table_check import check_table
from tests.fix_postgres import Database
from tests.quality.shop import FAILING, create, shop

pytestmark = pytest.mark.postgres


def _stage(database: Database) -> None:
    """The shop's tables without rows, and the defects in tables beside them."""
    create(database.engine, with_defects=True)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA waiting"))
        for table in ("customers", "orders"):
            connection.execute(text(f'CREATE TABLE waiting."{table} ""1""" AS TABLE shop.{table}'))
        connection.execute(text("DELETE FROM shop.orders"))


def test_rows_that_wait_are_checked_where_they_wait(database: Database) -> None:
    _stage(database)
    relation = ("waiting", 'orders "1"')
    results = check_table(database.engine, shop(), shop().table("orders"), relation=relation)
    whole = {CheckKind.ROW_COUNT, CheckKind.FRESHNESS, CheckKind.QUERY}
    assert not whole & {result.check.kind for result in results}
    ours = {name: count for name, count in FAILING.items() if name.startswith("shop.orders") and count is not None}
    assert {result.check.id: result.failing_count for result in results} == ours
    samples = {result.check.id: result.sample for result in results if result.sample}
    assert samples["shop.orders.customer_id.references"][0] == {"order_id": "2", "line": "1", "customer_id": "99"}
    assert {result.check.table for result in results} == {"orders"}


def test_the_caller_s_connection_sees_what_is_not_committed(database: Database) -> None:
    _stage(database)
    with database.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text('DELETE FROM waiting."orders ""1"""'))
        relation = ("waiting", 'orders "1"')
        results = check_table(connection, shop(), shop().table("orders"), relation=relation)
        transaction.rollback()
    assert {result.failing_count for result in results} == {0}
    assert {result.row_count for result in results} == {0}


def test_without_a_relation_the_table_itself_is_checked_as_a_whole_too(database: Database) -> None:
    create(database.engine, with_defects=True)
    results = check_table(database.engine, shop(), shop().table("orders"))
    found = {result.check.id: result.failing_count for result in results}
    assert found == {name: count for name, count in FAILING.items() if name.startswith("shop.orders")}


def test_a_relation_that_is_not_there_is_named(database: Database) -> None:
    create(database.engine, with_defects=False)
    with pytest.raises(ConfigError, match=r"waiting\.nothing does not exist"):
        check_table(database.engine, shop(), shop().table("orders"), relation=("waiting", "nothing"))
