"""The SQL engine: all checks of a table by one aggregate query in one scan, and single queries for the rest.

It runs what Great Expectations cannot express (references, conditions, freshness, queries of one value) or only at
several times the cost (compound keys, where it joins the table with its own groups), and all other checks too when it
is asked to: the two engines are compared in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection, Table, func, literal_column, select
from sqlalchemy.exc import DBAPIError, OperationalError

from groundwork.contracts.derive.predicate import ROW_KINDS, duplicate_rows, failing, selectable
from groundwork.flow.ledger import latest_loads
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError, RetriableError
from groundwork.model.vocabulary import CheckKind
from groundwork.quality.verdict import judge_freshness, judge_row_count, judge_rows, judge_value, not_run

ENGINE = "sql"
KINDS = ROW_KINDS | {CheckKind.ROW_COUNT, CheckKind.FRESHNESS, CheckKind.QUERY}


def run_checks(connection: Connection, checks: Sequence[Check]) -> list[CheckResult]:
    """Run checks of one table on `connection`, in the order given; changes nothing. Raises as `measure`."""
    return measure(connection, (checks[0].schema, checks[0].table), checks)[1] if checks else []


def measure(
    connection: Connection, relation: tuple[str, str], checks: Sequence[Check]
) -> tuple[int, list[CheckResult]]:
    """The number of rows of `relation` (schema and table), and the results of checks that are all on it, in order.

    A check that the server refuses (a broken pattern, types that cannot be compared) fails alone, with the reason.
    Raises: ConfigError when table or column is missing; RetriableError when the connection is lost.
    """
    unknown = [check.id for check in checks if check.kind not in KINDS]
    if unknown:
        raise ConfigError("the SQL engine cannot run these checks", found=", ".join(unknown))
    require_columns(connection, checks)
    aggregated = [check for check in checks if not _is_alone(check)]
    table = selectable(*relation, [column for check in checks for column in check.columns])
    try:
        row_count, measured = _aggregates(connection, table, aggregated)
    except OperationalError as error:
        raise RetriableError(
            "the connection was lost while checks ran", where=".".join(relation), found=type(error.orig).__name__
        ) from error
    except DBAPIError:
        row_count, measured = _one_by_one(connection, table, aggregated)
    return row_count, [
        _alone(connection, check, row_count) if _is_alone(check) else _judge(check, measured[check.id], row_count)
        for check in checks
    ]


def require_columns(connection: Connection, checks: Sequence[Check]) -> None:
    """Check that the table of `checks`, the tables they refer to and all their columns exist.

    Raises: ConfigError naming what is missing.
    """
    needed: dict[tuple[str, str], set[str]] = {}
    for check in checks:
        needed.setdefault((check.schema, check.table), set()).update(check.columns)
        if check.kind is CheckKind.REFERENCES:
            names = cast("tuple[str, ...]", check.arguments["columns"])
            target = (str(check.arguments["schema"]), str(check.arguments["table"]))
            needed.setdefault(target, set()).update(names)
    for (schema, table), columns in needed.items():
        found = _existing_columns(connection, schema, table)
        missing = sorted(columns - found)
        if not found or missing:
            raise ConfigError(
                f"the table {schema}.{table} {'lacks columns' if found else 'does not exist'}",
                where=f"database {connection.engine.url.database}",
                expected=", ".join(sorted(columns)) or "a table",
                found=f"no {', '.join(missing)}" if found else "no such table, or no right to see it",
                next_step="apply the contract first: run the Dag data_foundation, or groundwork compare-to-db "
                f"{schema}.{table} to see what differs",
            )


def _existing_columns(connection: Connection, schema: str, table: str) -> set[str]:
    attributes = selectable("pg_catalog", "pg_attribute", ["attname", "attrelid", "attnum", "attisdropped"])
    classes = selectable("pg_catalog", "pg_class", ["oid", "relname", "relnamespace"])
    namespaces = selectable("pg_catalog", "pg_namespace", ["oid", "nspname"])
    query = (
        select(attributes.c.attname)
        .select_from(attributes)
        .join(classes, classes.c.oid == attributes.c.attrelid)
        .join(namespaces, namespaces.c.oid == classes.c.relnamespace)
        .where(namespaces.c.nspname == schema, classes.c.relname == table)
        .where(attributes.c.attnum > 0, attributes.c.attisdropped.is_(False))
    )
    return set(connection.execute(query).scalars())


def _aggregates(connection: Connection, table: Table, checks: Sequence[Check]) -> tuple[int, dict[str, Any]]:
    """The number of rows, and the measured number of every check by its id, in one query."""
    measures = [_measure(check, table).label(f"m{number}") for number, check in enumerate(checks)]
    with connection.begin_nested():
        row = connection.execute(select(func.count().label("row_count"), *measures).select_from(table)).one()
    return int(row[0]), {check.id: value for check, value in zip(checks, row[1:], strict=True)}


def _one_by_one(connection: Connection, table: Table, checks: Sequence[Check]) -> tuple[int, dict[str, Any]]:
    """As `_aggregates` with one query a check; a check that the server refuses gets the error as its measure."""
    measured: dict[str, Any] = {}
    row_count, _ = _aggregates(connection, table, [])
    for check in checks:
        try:
            _, found = _aggregates(connection, table, [check])
            measured.update(found)
        except DBAPIError as error:
            measured[check.id] = error
    return row_count, measured


def _measure(check: Check, table: Table) -> Any:
    if check.kind is CheckKind.ROW_COUNT:
        return func.count()
    if check.kind is CheckKind.FRESHNESS:
        return func.extract("epoch", func.now() - func.max(table.c[check.columns[0]]))
    if check.kind is CheckKind.UNIQUE:
        return duplicate_rows(table, [table.c[name] for name in check.columns])
    if check.kind is CheckKind.REFERENCES:  # a query of its own may join; a filter would look up row by row
        referring = table.alias("referring")
        return select(func.count()).select_from(referring).where(failing(check, referring)).scalar_subquery()
    return func.count().filter(failing(check, table))


def _judge(check: Check, measured: Any, row_count: int) -> CheckResult:
    if isinstance(measured, DBAPIError):
        return not_run(check, ENGINE, reason_of(measured), row_count)
    if check.kind is CheckKind.ROW_COUNT:
        return judge_row_count(check, ENGINE, row_count)
    if check.kind is CheckKind.FRESHNESS:
        return judge_freshness(check, ENGINE, None if measured is None else float(measured), row_count)
    return judge_rows(check, ENGINE, int(measured), row_count)


def _is_alone(check: Check) -> bool:
    """Whether the check reads something else than the rows of its table, and so needs a query of its own."""
    return check.kind is CheckKind.QUERY or (check.kind is CheckKind.FRESHNESS and not check.columns)


def _alone(connection: Connection, check: Check, row_count: int) -> CheckResult:
    if check.kind is CheckKind.FRESHNESS:
        loads = {load["table_name"]: load for load in latest_loads(connection, check.schema)}
        finished_at = loads[check.table]["finished_at"] if check.table in loads else None
        age = None if finished_at is None else (datetime.now(UTC) - finished_at).total_seconds()
        return judge_freshness(check, ENGINE, age, row_count)
    try:
        with connection.begin_nested():
            value: Any = connection.execute(select(literal_column(f"({check.arguments['sql']}\n)"))).scalar_one()
    except DBAPIError as error:
        return not_run(check, ENGINE, reason_of(error), row_count)
    return judge_value(check, ENGINE, value, row_count)


def reason_of(error: DBAPIError) -> str:
    """The class and SQLSTATE of a server's error; never its text, which may quote a data value."""
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    return f"{type(error.orig).__name__}{f' ({state})' if state else ''}"
