"""Retention as a dry run: what is past its time, what could go, and what a legal hold keeps. Deletes nothing.

Reads contracts (`retention`, `retentionColumn`) and the retention policy; looks at the tables in a read-only
transaction. Time is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from sqlalchemy import Connection, Engine, text

from groundwork.contracts.contract import Domain, TableContract
from groundwork.governance.policy import Policies
from groundwork.governance.statements import compose, name, run
from groundwork.model.errors import ConfigError

_UNITS = {
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("w", "wk", "week", "weeks"), "weeks"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("y", "yr", "year", "years"), "years"),
}


@dataclass(frozen=True, kw_only=True)
class RetentionFinding:
    """What retention means for one table now.

    `cutoff_at` is the moment before which rows are due (UTC); null when the table declares no retention. `rows_due` is
    null when no column tells a row's age; `oldest_at` is the oldest value of that column, null when the table is empty.
    `detachable` names partitions that are due as a whole. `held_because` is the reason of a legal hold: nothing may go.
    """

    table: str
    declared: str | None
    column: str | None
    cutoff_at: datetime | None
    rows: int
    rows_due: int | None
    oldest_at: datetime | None
    detachable: tuple[str, ...] = ()
    action: str = "delete"
    held_because: str | None = None

    def to_json(self) -> dict[str, object]:
        """JSON-ready form."""
        return {
            "table": self.table,
            "declared": self.declared,
            "column": self.column,
            "cutoff_at": self.cutoff_at.isoformat() if self.cutoff_at else None,
            "rows": self.rows,
            "rows_due": self.rows_due,
            "oldest_at": self.oldest_at.isoformat() if self.oldest_at else None,
            "detachable": list(self.detachable),
            "action": self.action,
            "held_because": self.held_because,
        }


def plan_retention(engine: Engine, domain: Domain, policies: Policies, now: datetime) -> list[RetentionFinding]:
    """One finding per table of the domain, in order of declaration; `now` has a zone.

    Raises: ConfigError when a contract's retention has a unit nobody knows, or a table is not in the database.
    """
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
        return [_finding(connection, table, policies, now) for table in domain.tables]


def _finding(connection: Connection, table: TableContract, policies: Policies, now: datetime) -> RetentionFinding:
    cutoff = _cutoff(connection, table, now)
    hold = policies.retention.hold(table.qualified_name)
    is_measurable = cutoff is not None and table.retention_column is not None
    rows, due, oldest = _ages(connection, table, cutoff if is_measurable else None)
    value, unit = table.retention or (0, "")
    return RetentionFinding(
        table=table.qualified_name,
        declared=f"{value:g} {unit}" if table.retention else None,
        column=table.retention_column,
        cutoff_at=cutoff,
        rows=rows,
        rows_due=due,
        oldest_at=oldest,
        detachable=_detachable(connection, table, cutoff) if cutoff is not None and is_measurable else (),
        action=policies.retention.action,
        held_because=f"{hold.reason} ({hold.by}, since {hold.since})" if hold else None,
    )


def _cutoff(connection: Connection, table: TableContract, now: datetime) -> datetime | None:
    if table.retention is None:
        return None
    value, unit = table.retention
    word = _UNITS.get(unit.lower())
    if word is None or value <= 0 or (word in {"months", "years"} and value != int(value)):
        raise ConfigError(
            f"the retention of `{table.qualified_name}` is not a length of time",
            expected="a positive number of d, w, mo or y (whole months and years)",
            found=f"{value:g} {unit}",
            next_step="correct the service-level property `retention` in the contract",
        )
    statement = text("SELECT CAST(:now AS timestamptz) - CAST(:length AS interval)")
    found: object = connection.execute(statement, {"now": now, "length": f"{value} {word}"}).scalar_one()
    return found if isinstance(found, datetime) else None


def _ages(
    connection: Connection, table: TableContract, cutoff: datetime | None
) -> tuple[int, int | None, datetime | None]:
    """Rows, rows before the cut-off, and the oldest value; the last two are null without a cut-off."""
    _check_exists(connection, table)
    base = name(table.schema, table.name)
    if cutoff is None or table.retention_column is None:
        rows = run(connection, compose("SELECT count(*) FROM {base}", base=base)).scalar_one()
        return int(str(rows)), None, None
    statement = compose(
        "SELECT count(*), count(*) FILTER (WHERE {column} < {cutoff}), CAST(min({column}) AS timestamptz) FROM {base}",
        column=name(table.retention_column),
        cutoff=_moment(cutoff),
        base=base,
    )
    rows, due, oldest = tuple(run(connection, statement).one())
    return int(str(rows)), int(str(due)), oldest if isinstance(oldest, datetime) else None


def _moment(cutoff: datetime) -> sql.Composed:
    return compose("CAST({cutoff} AS timestamptz)", cutoff=sql.Literal(cutoff.isoformat()))


def _detachable(connection: Connection, table: TableContract, cutoff: datetime) -> tuple[str, ...]:
    """Partitions by range on the retention column alone whose upper bound is not after the cut-off."""
    if table.partitioning is None or table.partitioning.columns != (table.retention_column,):
        return ()
    rows = connection.execute(_PARTITIONS, {"schema": table.schema, "table": table.name, "cutoff": cutoff.isoformat()})
    return tuple(row.name for row in rows)


def _check_exists(connection: Connection, table: TableContract) -> None:
    statement = text("SELECT to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text)))")
    if connection.execute(statement, {"schema": table.schema, "table": table.name}).scalar() is None:
        raise ConfigError(
            f"the table `{table.qualified_name}` is not in the database",
            expected="the table as its contract declares it",
            next_step="run the Dag `data_foundation` first",
        )


_PARTITIONS = text("""
    SELECT part.relname AS name
    FROM pg_inherits i JOIN pg_class part ON part.oid = i.inhrelid
         JOIN pg_class parent ON parent.oid = i.inhparent JOIN pg_namespace n ON n.oid = parent.relnamespace,
         LATERAL (SELECT substring(pg_get_expr(part.relpartbound, part.oid) FROM $$TO \\('([^']+)'\\)$$) AS upper) bound
    WHERE n.nspname = :schema AND parent.relname = :table AND bound.upper IS NOT NULL
      AND CAST(bound.upper AS timestamptz) <= CAST(:cutoff AS timestamptz)
    ORDER BY part.relname
""")
