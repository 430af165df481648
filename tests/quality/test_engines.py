"""Great Expectations and SQL agree with one another, and with what was counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Column, Connection, MetaData, Table, Text, text

from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.predicate import failing, selectable
from groundwork.flow.ledger import LOAD, ensure
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError, FatalError
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.quality import great_expectations as gx
from groundwork.quality import sql_engine
from groundwork.quality.table_check import run_table
from tests.fix_postgres import Database
from tests.quality.shop import FAILING, HOLDING, create, shop

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(module_database: Database) -> Iterator[Connection]:
    with module_database.engine.connect() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _tables(module_database: Database) -> None:
    create(module_database.engine, with_defects=True)


@pytest.fixture(scope="module")
def library(module_database: Database) -> Iterator[gx.GreatExpectations]:
    with gx.great_expectations(module_database.engine.url) as found:
        yield found


def _checks(table: str) -> list[Check]:
    return list(derive_checks(shop()).of_table("shop", table))


def _counts(results: list[CheckResult]) -> dict[str, int | None]:
    return {result.check.id: result.failing_count for result in results}


def test_every_check_of_the_contract_has_a_count_made_by_hand() -> None:
    derived = derive_checks(shop())
    assert {check.id for check in derived.checks} == set(FAILING)
    # The freshness of orders: no column there says when a row was written.
    assert [item.what for item in derived.untranslated] == ["freshness"]


@pytest.mark.parametrize("table", ["customers", "orders"])
def test_sql_counts_what_was_planted(connection: Connection, table: str) -> None:
    results = sql_engine.run_checks(connection, _checks(table))
    assert _counts(results) == {name: n for name, n in FAILING.items() if name.startswith(f"shop.{table}.")}
    assert {result.check.id for result in results if result.passed} == {
        name for name in HOLDING if name.startswith(f"shop.{table}.")
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("table", ["customers", "orders"])
def test_great_expectations_agrees_with_sql(connection: Connection, library: gx.GreatExpectations, table: str) -> None:
    checks = [check for check in _checks(table) if gx.can_express(check) and "accepts" not in check.arguments]
    assert len(checks) >= 4
    verdicts = library.verdicts(checks)
    by_sql = {result.check.id: result.passed for result in sql_engine.run_checks(connection, checks)}
    assert {name: verdict.holds for name, verdict in verdicts.items()} == by_sql


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("table", ["customers", "orders"])
def test_both_engines_together_find_what_sql_finds_alone(
    connection: Connection, library: gx.GreatExpectations, table: str
) -> None:
    checks = _checks(table)
    together = run_table(connection, library, shop().table(table), checks)
    alone = run_table(connection, None, shop().table(table), checks)
    theirs = {result.check.id for result in together if result.engine == gx.ENGINE}
    assert theirs == {check.id for check in checks if gx.takes_part_in_the_scan(check)}
    assert len(theirs) >= 3
    assert [replace(result, engine="") for result in together] == [replace(result, engine="") for result in alone]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_great_expectations_says_when_it_cannot_run_a_check(library: gx.GreatExpectations) -> None:
    good, broken = _pattern_check("^.+$"), replace(_pattern_check("(["), id="broken")
    verdicts = library.verdicts([good, broken])
    assert verdicts["broken"].refused
    assert not verdicts["broken"].holds


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_the_library_cannot_run_and_sql_neither_could_not_be_run(
    connection: Connection, library: gx.GreatExpectations
) -> None:
    good, broken = _pattern_check("^.+$"), replace(_pattern_check("(["), id="broken")
    results = run_table(connection, library, shop().table("customers"), [good, broken])
    assert [result.passed for result in results] == [True, False]
    assert results[1].observed == "could not be run: InvalidRegularExpression (2201B)"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_unknown_expectation_is_refused_by_name(library: gx.GreatExpectations) -> None:
    check = replace(
        _pattern_check("x"), kind=CheckKind.EXPECTATION, arguments={"type": "expect_miracles", "kwargs": {}}
    )
    with pytest.raises(ConfigError, match="expect_miracles"):
        library.verdicts([check])


def test_a_check_that_the_server_refuses_fails_alone(connection: Connection) -> None:
    good, broken = _pattern_check("^.+$"), replace(_pattern_check("(["), id="broken")
    results = sql_engine.run_checks(connection, [good, broken])
    assert [result.passed for result in results] == [True, False]
    assert results[1].observed == "could not be run: InvalidRegularExpression (2201B)"


def test_a_reference_into_another_schema_is_followed(database: Database) -> None:
    create(database.engine, with_defects=True)
    check = next(each for each in _checks("orders") if each.kind is CheckKind.REFERENCES)
    elsewhere = replace(check, arguments={"schema": "crm", "table": "people", "columns": ("number",)})
    with database.engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA crm"))
        connection.execute(text("CREATE TABLE crm.people AS SELECT number FROM (VALUES (1), (99)) AS v (number)"))
        result = sql_engine.run_checks(connection, [elsewhere])[0]
    assert (result.failing_count, result.passed) == (2, False)  # 2 and 98 are nobody there, a null asks for nobody


def test_a_query_that_gives_many_values_fails_with_the_reason(connection: Connection) -> None:
    query = next(check for check in _checks("orders") if check.kind is CheckKind.QUERY)
    many = replace(query, arguments={**query.arguments, "sql": "SELECT order_id FROM shop.orders"})
    result = sql_engine.run_checks(connection, [many])[0]
    assert not result.passed
    assert "CardinalityViolation" in result.observed


def test_an_empty_table_fails_no_check_on_rows(database: Database) -> None:
    create(database.engine, with_defects=False)
    with database.engine.connect() as connection:
        results = sql_engine.run_checks(connection, _checks("customers"))
    failed = [result for result in results if not result.passed]
    assert [result.check.kind for result in failed] == [CheckKind.FRESHNESS]
    assert failed[0].observed == "the table is empty"


def test_a_table_without_a_time_of_writing_is_as_fresh_as_its_last_load(database: Database) -> None:
    create(database.engine, with_defects=True)
    check = replace(
        _pattern_check(""),
        columns=(),
        kind=CheckKind.FRESHNESS,
        arguments={"column": None, "maximum_age_seconds": 3600},
    )
    with database.engine.begin() as connection:
        never = sql_engine.run_checks(connection, [check])[0]
        ensure(connection)
        load = {"run_id": "r", "schema_name": "shop", "table_name": "customers", "source": "s", "mode": "append"}
        now = text("clock_timestamp()")
        connection.execute(LOAD.insert().values(**load, state="finished", finished_at=now, is_trial=True))
        only_a_drill = sql_engine.run_checks(connection, [check])[0]
        connection.execute(LOAD.insert().values(**load, state="finished", finished_at=now))
        fresh = sql_engine.run_checks(connection, [check])[0]
        old = sql_engine.run_checks(connection, [replace(check, arguments={"maximum_age_seconds": -1})])[0]
    assert [result.passed for result in (never, only_a_drill, fresh, old)] == [False, False, True, False]
    assert never.observed == "it was never loaded"


def test_a_missing_table_is_named(connection: Connection) -> None:
    missing = replace(_pattern_check("x"), table="nowhere")
    with pytest.raises(ConfigError, match=r"shop\.nowhere does not exist") as caught:
        sql_engine.run_checks(connection, [missing])
    assert caught.value.next_step


def test_a_missing_column_is_named(connection: Connection) -> None:
    missing = replace(_pattern_check("x"), columns=("shoe_size",))
    with pytest.raises(ConfigError, match="lacks columns") as caught:
        sql_engine.run_checks(connection, [missing])
    assert caught.value.found == "no shoe_size"


def test_hostile_names_stay_names(database: Database) -> None:
    name, column = 'odd"; DROP TABLE victim; --', 'a"b %s :c'
    tables = MetaData()
    victim = Table("victim", tables, Column("a", Text))
    odd = Table(name, tables, Column(column, Text), schema="public")
    check = replace(_pattern_check("^a$"), schema="public", table=name, columns=(column,))
    with database.engine.begin() as connection:
        tables.create_all(connection)
        connection.execute(odd.insert().values([["b"], ["a"]]))
        assert sql_engine.run_checks(connection, [check])[0].failing_count == 1
        assert connection.execute(victim.select()).all() == []


def test_a_check_on_the_whole_table_has_no_predicate() -> None:
    check = replace(_pattern_check("x"), kind=CheckKind.ROW_COUNT)
    with pytest.raises(FatalError):
        failing(check, selectable("shop", "customers", ["email"]))


def _pattern_check(pattern: str) -> Check:
    return Check(
        id="shop.customers.email.test",
        schema="shop",
        table="customers",
        columns=("email",),
        kind=CheckKind.MATCHES,
        arguments={"postgresql_pattern": pattern},
        dimension=Dimension.VALIDITY,
    )
