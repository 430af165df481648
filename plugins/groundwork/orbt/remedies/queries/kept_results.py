"""The caching layer: a slow SELECT's answer kept as a table of its own, which the next tries read instead.

A table per answer, in the schema `groundwork_cache` that only our role may use; its comment says of which statement and
when. What is older than its time is dropped by the next run, and by the remedy `free_space`.
"""

# groundwork: allow-file raw_sql,own_session,direct_driver a remedy makes and drops tables on the server

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.catalog.session import run
from groundwork.model.fault import Alternative, AlternativeKind, Change, statement_digest
from groundwork.orbt.remedies.queries.statement import Statement, failed, looking, told
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

SCHEMA = "groundwork_cache"
_POSITION = "groundwork_position"
_MARK = "groundwork keeps an answer"
_TABLES = text(
    """
    SELECT class.relname AS name, pg_total_relation_size(class.oid) AS bytes,
           extract(epoch FROM clock_timestamp()
                   - substring(obj_description(class.oid, 'pg_class') FROM 'made (\\S+ \\S+)$')::timestamptz)::float8
             AS age_seconds
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = :schema AND class.relkind = 'r' AND pg_has_role(class.relowner, 'USAGE')
      AND starts_with(obj_description(class.oid, 'pg_class'), :mark)
    ORDER BY age_seconds
    """
)
_LOOK_SECONDS = 15.0
_LOCK_SECONDS = 5.0
MAX_AGE_HOURS = 24.0  # where policy says nothing


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One kept answer."""

    name: str
    bytes: int
    age_seconds: float


class CacheStatement(Remedy):
    """Keep the failed SELECT's answer as a table, and let the next tries read that."""

    name = "cache_statement"
    summary = "keeps the answer of a slow SELECT as a table that the next tries read instead, with its age told"
    limits = Limits(
        seconds=900, rows=1_000_000, blast_radius="one new table in the schema groundwork_cache, open to our role only"
    )
    way_back = "the table is dropped"
    is_writing = True
    default_mode = "propose"
    cost: ClassVar[int] = 4

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The table that would be made, or the answer that is there."""
        statement = _cacheable(scene)
        with looking(scene.target, _LOOK_SECONDS) as connection:
            _require_harmless(connection, statement)
            fresh = _fresh(_kept(connection), statement, _max_age_seconds(scene))
        if fresh is not None:
            return (f"read the answer that was kept {fresh.age_seconds / 60:.0f} minutes ago",)
        return (f"keep the answer of `{told(statement.sql)}` as {SCHEMA}.{_prefix(statement)}…, read it instead",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Make the table unless a fresh one is there, and let the next tries read it."""
        statement = _cacheable(scene)
        with looking(scene.target, _LOOK_SECONDS) as connection:
            _require_harmless(connection, statement)
            fresh = _fresh(_kept(connection), statement, _max_age_seconds(scene))
        if fresh is None:
            name, report = self._made(scene, statement, journal)
        else:
            name, report = fresh.name, f"kept {fresh.age_seconds / 60:.0f} minutes ago"
        with scene.target.connect() as connection:
            instead = _reading(connection, name)
        journal.use(
            Alternative(
                kind=AlternativeKind.STATEMENT,
                names=statement_digest(scene.statement or ""),
                instead=instead,
                reason=f"the answer {report}; it may be out of date",
            )
        )
        journal.note(f"the next try reads {SCHEMA}.{name}: the answer {report}; what rests on it may be out of date")

    def undo(self, scene: Scene, change: Change) -> str:
        """Drop the table when it is one of ours."""
        name = str(change.facts["table"])
        with scene.target.begin() as connection:
            if name not in {each.name for each in _kept(connection)}:
                return f"{SCHEMA}.{name} is not there"
            drop(connection, name)
        return f"dropped {SCHEMA}.{name}"

    def _made(self, scene: Scene, statement: Statement, journal: Journal) -> tuple[str, str]:
        rows = (scene.limits or self.limits).rows or 0
        name = f"{_prefix(statement)}{uuid.uuid4().hex[:12]}"
        journal.will(f"keep an answer as {SCHEMA}.{name}", table=name)
        started = time.monotonic()
        with scene.target.begin() as connection:
            _make_schema(connection)
            run(connection, _creation(statement, name, rows + 1))
            count = int(run(connection, _of("SELECT count(*) FROM {table}", name)).scalar_one())  # type: ignore[call-overload]
            if count > rows:
                raise RemedyRefusedError(f"the answer has more than {rows:,} rows, which is beyond the limit")
            made: str = connection.execute(text("SELECT statement_timestamp()::text")).scalar_one()
            mark = sql.SQL("COMMENT ON TABLE {} IS {}").format(_table(name), sql.Literal(f"{_MARK}, made {made}"))
            run(connection, mark.as_string())
            run(connection, _of("ANALYZE {table}", name))
        self._drop_old(scene, name)
        return name, f"of {count:,} rows, made just now in {time.monotonic() - started:.1f} s"

    def _drop_old(self, scene: Scene, new: str) -> None:
        """Answers past their time go; one that somebody still reads goes the next time."""
        for name in _expired(scene):
            if name != new:
                try_drop(scene, name)


class FreeSpace(Remedy):
    """Drop kept answers that are past their time."""

    name = "free_space"
    summary = "drops answers of slow queries that were kept and are past their time"
    limits = Limits(seconds=60, lock="ACCESS EXCLUSIVE", blast_radius="tables in the schema groundwork_cache")
    way_back = "an answer past its time is worth nothing; it is made anew when it is asked for"
    is_writing = True

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The tables."""
        return tuple(f"drop {SCHEMA}.{name}" for name in self._found(scene))

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Drop them."""
        with scene.target.connect() as connection:
            sizes = {each.name: each.bytes for each in _kept(connection)}
        freed, dropped = 0, 0
        for name in self._found(scene):
            journal.will(f"drop the kept answer {SCHEMA}.{name}", table=name)
            if try_drop(scene, name):
                freed, dropped = freed + sizes.get(name, 0), dropped + 1
        journal.note(f"dropped {dropped} kept answer(s) past their time: {freed / 1_000_000:.1f} MB are free again")

    def undo(self, scene: Scene, change: Change) -> str:
        """Nothing can be undone."""
        return f"{change.what}: {self.way_back}"

    def _found(self, scene: Scene) -> list[str]:
        names = _expired(scene)
        if not names:
            raise RemedyRefusedError("no kept answer is past its time")
        return names


def drop(connection: Connection, name: str) -> None:
    """Drop a kept answer; waits only a moment for those who read it."""
    run(connection, f"SET LOCAL lock_timeout = {int(_LOCK_SECONDS * 1000)}")
    run(connection, _of("DROP TABLE IF EXISTS {table}", name))


def try_drop(scene: Scene, name: str) -> bool:
    """Drop a kept answer unless somebody reads it."""
    try:
        with scene.target.begin() as connection:
            drop(connection, name)
    except SQLAlchemyError:
        return False
    return True


def _cacheable(scene: Scene) -> Statement:
    statement = failed(scene)
    if statement.parameters:
        raise RemedyRefusedError("the statement has parameters: its answer for these would be read for others")
    return statement


def _require_harmless(connection: Connection, statement: Statement) -> None:
    if not statement.is_harmless(connection):
        raise RemedyRefusedError("the statement does more than read, or may answer differently each time")


def _max_age_seconds(scene: Scene) -> float:
    return float(scene.settings.get("max_age_hours", MAX_AGE_HOURS)) * 3600


def _expired(scene: Scene) -> list[str]:
    with scene.target.connect() as connection:
        return [each.name for each in _kept(connection) if each.age_seconds > _max_age_seconds(scene)]


def _kept(connection: Connection) -> list[Kept]:
    """The kept answers of our role, the newest first."""
    rows = connection.execute(_TABLES, {"schema": SCHEMA, "mark": _MARK}).mappings()
    return [Kept(**row) for row in rows if row["age_seconds"] is not None]


def _fresh(kept: Iterable[Kept], statement: Statement, max_age_seconds: float) -> Kept | None:
    prefix = _prefix(statement)
    return next((each for each in kept if each.name.startswith(prefix) and each.age_seconds <= max_age_seconds), None)


def _prefix(statement: Statement) -> str:
    return f"q_{statement_digest(statement.sql)[:24]}_"


def _make_schema(connection: Connection) -> None:
    is_there: bool = connection.execute(
        text("SELECT to_regnamespace(:schema) IS NOT NULL"), {"schema": SCHEMA}
    ).scalar_one()
    if not is_there:
        run(connection, sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SCHEMA)).as_string())
        run(connection, sql.SQL("REVOKE ALL ON SCHEMA {} FROM PUBLIC").format(sql.Identifier(SCHEMA)).as_string())


def _creation(statement: Statement, name: str, rows: int) -> str:
    """The statement that makes the table; the answer's order is kept as a column."""
    from pglast.stream import RawStream

    query: Any = sql.SQL(str(RawStream()(statement.tree)))
    return (
        sql.SQL("CREATE TABLE {} AS SELECT row_number() OVER () AS {}, answer.* FROM ({}) AS answer LIMIT {}")
        .format(_table(name), sql.Identifier(_POSITION), query, sql.Literal(rows))
        .as_string()
    )


def _reading(connection: Connection, name: str) -> str:
    columns = run(connection, _of("SELECT * FROM {table} LIMIT 0", name)).keys()
    wanted = sql.SQL(", ").join(sql.Identifier(column) for column in columns if column != _POSITION)
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(wanted, _table(name), sql.Identifier(_POSITION))
    return query.as_string()


def _of(statement: str, name: str) -> str:
    return sql.SQL(statement).format(table=_table(name)).as_string()


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(SCHEMA, name)
