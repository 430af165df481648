"""How often a table is read does not depend on how many of its columns are checked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine, event, text

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.quality import great_expectations as gx
from groundwork.quality.table_check import reading, run_table
from tests.fix_postgres import Database
from tests.patience import until
from tests.quality.shop import create, shop

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]
_SCANS = text("SELECT seq_scan FROM pg_stat_user_tables WHERE schemaname = 'wide' AND relname = 'facts'")
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
    "AND datname = current_database() AND pid <> pg_backend_pid()"
)
_WIDTH = 40


def _fill(engine: Engine) -> None:
    columns = ", ".join(f"c{number} integer" for number in range(_WIDTH))
    values = ", ".join(["i"] * _WIDTH)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA wide"))
        connection.execute(text(f"CREATE TABLE wide.facts ({columns})"))
        connection.execute(text(f"INSERT INTO wide.facts SELECT {values} FROM generate_series(1, 500) AS i"))
        connection.execute(text("UPDATE wide.facts SET c0 = NULL WHERE c1 <= 7"))


def _checks(width: int) -> list[Check]:
    """Two checks for each of the first `width` columns."""
    kinds = {CheckKind.NOT_NULL: {}, CheckKind.BETWEEN: {"minimum": 1, "maximum": 500}}
    return [
        Check(
            id=f"wide.facts.c{number}.{kind}",
            schema="wide",
            table="facts",
            columns=(f"c{number}",),
            kind=kind,
            arguments=arguments,
            dimension=Dimension.VALIDITY,
        )
        for number in range(width)
        for kind, arguments in kinds.items()
    ]


def _scans(engine: Engine) -> int:
    engine.dispose()  # a session tells its counters at the latest when it ends
    until(lambda: not _others(engine), "the end of the other sessions")
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()"))
        return int(connection.execute(_SCANS).scalar_one())


def _others(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_OTHERS).scalar_one())


def _contract() -> TableContract:
    table = shop().table("orders")
    template = table.columns[0]
    columns = tuple(replace(template, name=f"c{number}", primary_key_position=None) for number in range(_WIDTH))
    return replace(table, schema="wide", name="facts", columns=columns)


def _scans_of(database: Database, width: int) -> tuple[int, list[int | None]]:
    """How often the server read the table for `width` columns, and what failed; asked of the server's own counter."""
    before = _scans(database.engine)
    with (
        gx.great_expectations(database.engine.url) as library,
        reading(database.engine).connect() as connection,
    ):
        results = run_table(connection, library, _contract(), _checks(width))
    return _scans(database.engine) - before, [result.failing_count for result in results]


def _of_customers() -> list[Check]:
    derived = derive_checks(shop()).of_table("shop", "customers")
    return [check for check in derived if gx.takes_part_in_the_scan(check)]


def test_the_server_reads_the_table_as_often_for_forty_columns_as_for_four(database: Database) -> None:
    _fill(database.engine)
    few, failing_of_few = _scans_of(database, 4)
    many, failing_of_many = _scans_of(database, _WIDTH)
    assert failing_of_few[0] == failing_of_many[0] == 7
    assert sum(count or 0 for count in failing_of_many) == 7
    assert few > 0
    assert many == few
    assert many <= 6  # looked at, rows counted by either engine, verdicts, what failed counted, its sample


def test_good_rows_are_read_less_often_than_bad_ones(database: Database) -> None:
    _fill(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE wide.facts SET c0 = 1 WHERE c0 IS NULL"))
    good, failing = _scans_of(database, _WIDTH)
    assert failing == [0] * (2 * _WIDTH)
    assert good <= 4


def test_every_table_and_stage_is_a_checkpoint_of_the_library(database: Database) -> None:
    create(database.engine, with_defects=True)
    with gx.great_expectations(database.engine.url) as library:
        checks = [
            check for check in derive_checks(shop()).of_table("shop", "customers") if gx.takes_part_in_the_scan(check)
        ]
        library.verdicts(checks, name="before_load")
        checkpoints = list(library._context.checkpoints.all())
    assert [checkpoint.name for checkpoint in checkpoints] == ["before_load shop.customers #1"]


def test_the_library_never_asks_for_rows(database: Database) -> None:
    create(database.engine, with_defects=True)
    statements: list[str] = []

    def note(_: Connection, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with gx.great_expectations(database.engine.url) as library:
            checks = [
                check
                for check in derive_checks(shop()).of_table("shop", "customers")
                if gx.takes_part_in_the_scan(check)
            ]
            library.verdicts(checks)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    of_table = [each for each in statements if "shop.customers" in each]
    assert of_table
    allowed = ("SELECT count(*)", "SELECT sum(", "SELECT 1 ", "SELECT coalesce(")
    assert [each for each in of_table if not each.startswith(allowed)] == []
