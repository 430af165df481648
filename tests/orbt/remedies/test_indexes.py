"""Indexes that a failed statement misses, on tables large enough that they matter; and plans told without values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from groundwork.model.fault import Change, RemedyResult, TaskTry
from groundwork.orbt.classify import failed_statement
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.queries.plans import Plan
from groundwork.orbt.remedies.queries.statement import parsed, told
from groundwork.orbt.remedies.queries.timing import Measure, is_faster
from groundwork.orbt.remedies.recover import recover
from groundwork.orbt.remedies.remedy import Limits
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on
from tests.orbt.remedies.fix_steady_time import cost_decides, time_is_up_when

pytestmark = pytest.mark.postgres
__all__ = ["cost_decides"]
_ROWS = 120_000
_BY_CUSTOMER = "SELECT * FROM shop.orders WHERE customer = 'customer 77' AND status = 'open'"


@pytest.fixture(scope="module")
def shop(module_database: Database) -> Engine:
    """A shop's tables without secondary indexes, with statistics."""
    migrate(module_database.engine)
    with module_database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(
            text(
                "CREATE TABLE shop.orders AS SELECT id, 'customer ' || id % 5000 AS customer, id % 40 AS shelf, "
                "CASE id % 3 WHEN 0 THEN 'open' ELSE 'shut' END::varchar AS status, repeat('x', 60) AS note "
                f"FROM generate_series(1, {_ROWS}) AS id"
            )
        )
        connection.execute(text("CREATE TABLE shop.wanted AS SELECT 'customer 5' AS customer"))
        connection.execute(text('CREATE TABLE shop."Odd %s" AS SELECT id AS "a b" FROM shop.orders'))
        connection.execute(text("CREATE TABLE shop.parts (id int, day date) PARTITION BY RANGE (day)"))
        connection.execute(text("CREATE TABLE shop.parts_1 PARTITION OF shop.parts DEFAULT"))
        connection.execute(
            text(f"INSERT INTO shop.parts SELECT id, date '2026-01-01' FROM generate_series(1, {_ROWS}) AS id")
        )
        connection.execute(text('ANALYZE shop.orders, shop.wanted, shop."Odd %s", shop.parts'))
    return module_database.engine


@pytest.fixture(autouse=True)
def tidy(shop: Engine) -> Iterator[None]:
    """No index outlives its test."""
    yield
    for name in indexes(shop):
        with shop.begin() as connection:
            connection.execute(text(f'DROP INDEX shop."{name}"'))
    with shop.begin() as connection:
        connection.execute(text("TRUNCATE groundwork.remedy_run"))


def indexes(engine: Engine) -> list[str]:
    query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'shop' ORDER BY 1"
    with engine.connect() as connection:
        return list(connection.execute(text(query)).scalars())


def heal(engine: Engine, statement: str | None, *, parameters: Any = None, **settings: Any) -> RemedyResult:
    scene = scene_on(
        engine, store=engine, statement=statement, parameters=parameters, settings={"any_table": True, **settings}
    )
    return run("create_index", scene)


@pytest.mark.usefixtures("cost_decides")
def test_the_missing_index_is_built_proved_and_kept(shop: Engine) -> None:
    result = heal(shop, _BY_CUSTOMER)
    assert result.is_done, result.report
    assert indexes(shop) == ["ix_orders_customer_status_orbt"]
    assert "created the index ix_orders_customer_status_orbt on shop.orders (customer, status)" in result.report
    assert "customer 77" not in result.report
    again = run("create_index", scene_on(shop, store=shop, statement=_BY_CUSTOMER, task_try=_other_try()))
    assert "reads no table whole for few rows" in again.report, "the plan has what it needs now"
    with shop.connect() as connection:
        plan = "\n".join(connection.execute(text(f"EXPLAIN {_BY_CUSTOMER}")).scalars())
    assert "ix_orders_customer_status_orbt" in plan


def _other_try() -> TaskTry:
    return TaskTry(dag_id="drill", run_id="r2", task_id="load", try_number=1)


@pytest.mark.usefixtures("cost_decides")
def test_the_statement_of_a_real_timeout_is_healed(shop: Engine) -> None:
    query = text("SELECT * FROM shop.orders WHERE customer = :customer")
    with shop.connect() as connection:
        connection.execute(text("SET statement_timeout = '1ms'"))
        with pytest.raises(DBAPIError) as raised:
            connection.execute(query, {"customer": "customer 12"})
        connection.invalidate()
    failed = failed_statement(raised.value)
    result = heal(shop, failed["statement"], parameters=failed["parameters"])
    assert result.is_done, result.report
    assert indexes(shop) == ["ix_orders_customer_orbt"]


@pytest.mark.usefixtures("cost_decides")
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT o.* FROM shop.orders o JOIN shop.wanted w ON o.customer = w.customer", "ix_orders_customer_orbt"),
        ("SELECT * FROM shop.orders ORDER BY note DESC, id DESC LIMIT 5", "ix_orders_note_id_orbt"),
        ("SELECT * FROM shop.orders WHERE id BETWEEN 5 AND 9", "ix_orders_id_orbt"),
        ("UPDATE shop.orders SET note = '' WHERE id = 5", "ix_orders_id_orbt"),
        ('SELECT * FROM shop."Odd %s" WHERE "a b" = 7', "ix_Odd %s_a b_orbt"),
    ],
)
def test_filters_joins_limits_and_changes_find_their_index(shop: Engine, statement: str, index: str) -> None:
    result = heal(shop, statement)
    assert result.is_done, result.report
    assert indexes(shop) == [index]
    with shop.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM shop.orders WHERE note = ''")).scalar_one() == 0


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("SELECT count(*) FROM shop.orders WHERE status = 'shut'", "too large a part of its rows"),
        ("SELECT * FROM shop.parts WHERE id = 3", "partitioned"),
        ("SELECT * FROM shop.orders", "reads no table whole for few rows"),
        ("DROP TABLE shop.orders", "not one SELECT"),
        ("SELECT 1; DROP TABLE shop.orders", "not one SELECT"),
        ("SELECT * INTO shop.copy FROM shop.orders", "makes a table"),
        ("SELEC 1", "does not parse"),
        (None, "does not tell which statement"),
    ],
)
def test_what_no_index_helps_is_left_alone(shop: Engine, statement: str | None, why: str) -> None:
    result = heal(shop, statement)
    assert not result.is_done
    assert why in result.report
    assert indexes(shop) == []
    assert result.changes == ()


def test_an_index_that_makes_nothing_faster_is_dropped_again(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.orbt.remedies.queries.indexes.is_faster", lambda before, after: before is after)
    result = heal(shop, _BY_CUSTOMER)
    assert not result.is_done
    assert "with the index the statement is not faster: cost" in result.report
    assert "dropped the index ix_orders_customer_status_orbt" in result.report
    assert [change.is_undone for change in result.changes] == [True]
    assert indexes(shop) == []
    assert RemedyRuns(shop).latest()[0]["state"] == "undone"


def test_limits_and_contracts_of_the_policy_hold(shop: Engine) -> None:
    scene = scene_on(shop, store=shop, statement=_BY_CUSTOMER)
    assert "it is of no contract" in run("create_index", scene).report
    assert "larger than 1 MB" in heal(shop, _BY_CUSTOMER, table_megabytes=1).report
    assert "many indexes already" in heal(shop, _BY_CUSTOMER, index_limit=0).report
    assert indexes(shop) == []


def test_an_index_is_proposed_without_being_built(shop: Engine) -> None:
    scene = scene_on(shop, store=shop, statement=_BY_CUSTOMER, settings={"any_table": True})
    assert 'CREATE INDEX CONCURRENTLY "ix_orders_customer_status_orbt" ON "shop"."orders" ("customer", "status")' in (
        dry_run("create_index", scene).report
    )
    assert indexes(shop) == []


def test_a_build_that_may_not_wait_any_longer_leaves_no_half_built_index(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("groundwork.orbt.remedies.queries.indexes._LOCK_SECONDS", 1)
    with shop.begin() as old:  # building and dropping wait until this transaction is over
        old.execute(text("INSERT INTO shop.orders (id) VALUES (-1)"))
        result = heal(shop, _BY_CUSTOMER)
        assert "lock timeout" in result.report
        assert "NOT undone" in result.report
        assert RemedyRuns(shop).latest()[0]["state"] == "running", "the sweep is going to undo it"
        old.rollback()
    (found,) = recover(shop, lambda _: shop, Path(), Path())
    assert found.is_undone
    assert indexes(shop) == []


def test_a_build_that_takes_too_long_is_stopped_and_undone(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(remedy("create_index")), "limits", Limits(seconds=2, blast_radius="one index"))
    with shop.connect() as old:
        old.execute(text("INSERT INTO shop.orders (id) VALUES (-1)"))

        def is_building() -> bool:
            is_begun = bool(indexes(shop))  # half built: it waits until the old transaction has ended
            if is_begun:
                old.rollback()
            return is_begun

        time_is_up_when(monkeypatch, is_building)
        result = heal(shop, _BY_CUSTOMER)
    assert "was not done in 2 s and was stopped; dropped the index ix_orders_customer_status_orbt" in result.report
    assert [change.is_undone for change in result.changes] == [True]
    assert indexes(shop) == []


def test_undo_drops_only_the_index_that_was_made(shop: Engine) -> None:
    maker, scene = remedy("create_index"), scene_on(shop)
    with shop.begin() as connection:
        connection.execute(text("CREATE INDEX mine ON shop.orders (shelf)"))
        oid = connection.execute(text("SELECT 'shop.orders'::regclass::oid")).scalar_one()
    facts = {"schema": "shop", "index": "mine", "table_oid": oid, "columns": ["customer"]}
    change = Change(what="create the index mine", facts=facts)
    assert "stays" in maker.undo(scene, change)
    assert "is not there" in maker.undo(scene, replace(change, facts={**facts, "index": "other"}))
    assert indexes(shop) == ["mine"]


def test_the_plan_is_told_without_values_and_without_running_it(shop: Engine) -> None:
    scene = scene_on(shop, statement="DELETE FROM shop.orders WHERE customer = %(c)s", parameters={"c": "customer 9"})
    result = run("explain_statement", scene)
    assert result.is_done
    assert "plan of `DELETE FROM shop.orders WHERE customer = $1`" in result.report
    assert "Seq Scan on shop.orders" in result.report
    assert "customer 9" not in result.report
    with shop.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM shop.orders")).scalar_one() == _ROWS
    assert "does not tell" in run("explain_statement", scene_on(shop)).report


@pytest.mark.parametrize(
    ("statement", "is_harmless"),
    [
        ("SELECT now(), upper('x')", True),
        ("SELECT pg_sleep(9)", False),
        ("SELECT nextval('s')", False),
        ("SELECT * FROM shop.orders FOR UPDATE", False),
        ("WITH gone AS (DELETE FROM shop.orders RETURNING id) SELECT * FROM gone", False),
        ("DELETE FROM shop.orders", False),
    ],
)
def test_only_what_changes_nothing_is_run_to_be_timed(shop: Engine, statement: str, is_harmless: bool) -> None:
    with shop.connect() as connection:
        assert parsed(statement).is_harmless(connection) is is_harmless


def test_faster_is_by_the_clock_where_it_tells_something() -> None:
    def measured(cost: float, seconds: float | None, *, is_over: bool = False) -> Measure:
        return Measure(plan=Plan(root={"Total Cost": cost}), seconds=seconds, is_over=is_over)

    assert is_faster(measured(100, 2.0), measured(90, 1.0))
    assert not is_faster(measured(100, 2.0), measured(1, 1.9)), "the planner may be wrong"
    assert is_faster(measured(100, 10, is_over=True), measured(100, 9))
    assert not is_faster(measured(100, 10, is_over=True), measured(1, 10, is_over=True)), "not proved"
    assert is_faster(measured(100, None), measured(50, None))
    assert not is_faster(measured(100, None), measured(90, None))
    assert is_faster(measured(100, 0.004), measured(5, 0.001))
    assert not is_faster(measured(100, 0.004), measured(5, 0.5))


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        (
            "SELECT * FROM t WHERE a = 'x''y' AND b IN (1, 2.5e3, B'01')",
            "SELECT * FROM t WHERE a = ? AND b IN (?, ?, ?)",
        ),
        ('/* secret */ SELECT $tag$ ümläut $tag$ FROM "Odd 1" -- me', 'SELECT ? FROM "Odd 1"'),
        ("SELECT 'cut off in the mid", "SELECT …"),
        ("", ""),
    ],
)
def test_statements_are_told_without_values(sql: str, shown: str) -> None:
    assert told(sql) == shown


def test_contracts_name_the_tables_that_are_ours() -> None:
    from groundwork.orbt.remedies.queries.contract_tables import contract_tables

    assert ("market", "stock_prices") in contract_tables(Path(__file__).parents[3])
