"""The failed query written another way: taken only when it costs less, runs faster, and gives the very same rows."""

# groundwork: allow-file raw_sql,direct_driver compares two ways to write the failed query

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.model.fault import Alternative, AlternativeKind, statement_digest
from groundwork.orbt.classify import sqlstate
from groundwork.orbt.remedies.queries.plans import explain
from groundwork.orbt.remedies.queries.rewrites import Columns, rewrites
from groundwork.orbt.remedies.queries.statement import Statement, derived, failed, looking, told
from groundwork.orbt.remedies.queries.timing import is_faster, measure
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

_COLUMNS = text(
    """
    SELECT space.nspname AS schema, class.relname AS table_name, attribute.attname AS name,
           format_type(attribute.atttypid, NULL) AS type
    FROM pg_class AS class
    JOIN pg_namespace AS space ON space.oid = class.relnamespace
    JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attnum > 0 AND NOT attisdropped
    WHERE class.relname = :table AND space.nspname = coalesce(:schema, space.nspname)
      AND (:schema IS NOT NULL OR pg_table_is_visible(class.oid))
    ORDER BY attnum
    """
)
_LOOK_SECONDS = 15.0
_FACTOR = 2.0  # by which the planner's cost has to fall
_CHECK_SECONDS = 60.0  # for comparing the rows
_TIME_SECONDS = 10.0  # for each timing
_CANCELLED = "57014"


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A cheaper way: what was done, as PostgreSQL's numbered and as the driver's statement."""

    what: str
    numbered: str
    statement: Statement
    costs: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.what}: cost {self.costs[0]:,.0f}, then {self.costs[1]:,.0f}"


class RewriteStatement(Remedy):
    """Let the next tries ask the failed query in a way that the server answers faster."""

    name = "rewrite_statement"
    summary = "writes the failed query another way, when that costs half, runs faster and gives the same rows"
    limits = Limits(seconds=180, blast_radius="the next tries of this task instance; the queries only read")
    way_back = "the alternative ends with the task's success; nothing was changed"
    default_mode = "propose"
    cost: ClassVar[int] = 4

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The cheapest way; its rows are not compared yet."""
        found = _cheapest(scene, failed(scene))
        return (f"{found}: `{told(found.numbered)}`, once its rows are the same",)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Prove it, and let the next tries run it."""
        statement = failed(scene)
        found = _cheapest(scene, statement)
        limit = float(scene.settings.get("time_seconds", _TIME_SECONDS))
        before, after = measure(scene.target, statement, limit), measure(scene.target, found.statement, limit)
        if not is_faster(before, after):
            raise RemedyRefusedError(f"{found}, but not faster: {before}, then {after}")
        _require_same_rows(scene, statement, found)
        journal.use(
            Alternative(
                kind=AlternativeKind.STATEMENT,
                names=statement_digest(scene.statement or ""),
                instead=found.statement.sql,
                reason=f"{found.what}; the same rows, {before}, then {after}",
            )
        )
        journal.note(f"the next try asks it another way ({found.what}): {before}, then {after}; the rows are the same")


def _cheapest(scene: Scene, statement: Statement) -> _Found:
    """The cheapest way to ask the query. Raises: RemedyRefusedError when none costs so much less."""
    if None in statement.names:
        raise RemedyRefusedError("its parameters go by their places, which another way might change")
    factor = float(scene.settings.get("factor", _FACTOR))
    with looking(scene.target, _LOOK_SECONDS) as connection:
        if not statement.is_harmless(connection):
            raise RemedyRefusedError("the statement does more than read, or may answer differently each time")
        columns, schemas = _known(connection, statement)
        cost = explain(connection, statement).cost
        found = []
        for what, numbered in rewrites(statement.numbered, columns, schemas):
            other = derived(statement, numbered)
            try:
                with connection.begin_nested():
                    found.append((explain(connection, other).cost, what, numbered, other))
            except DBAPIError:  # not a way that PostgreSQL understands
                continue
    best = min(found, key=lambda each: each[0], default=None)
    if best is None or best[0] * factor > cost:
        raise RemedyRefusedError("no other way to ask it costs so much less")
    return _Found(what=best[1], numbered=best[2], statement=best[3], costs=(cost, best[0]))


def _known(connection: Connection, statement: Statement) -> tuple[Columns, dict[str, str]]:
    columns: dict[tuple[str, str], dict[str, str]] = {}
    schemas: dict[str, str] = {}
    for schema, table in statement.tables:
        for row in connection.execute(_COLUMNS, {"schema": schema, "table": table}):
            columns.setdefault((row.schema, row.table_name), {})[row.name] = row.type
            if schema is None:
                schemas[table] = row.schema
    return columns, schemas


def _require_same_rows(scene: Scene, statement: Statement, found: _Found) -> None:
    """Compare both answers in one snapshot: each row as often, and in order where the query asks for one."""
    from pglast.stream import RawStream

    place = sql.SQL("row_number() OVER ()" if statement.tree.sortClause else "NULL::bigint")
    one, other = (
        sql.SQL("SELECT {}, answer.* FROM ({}) AS answer").format(place, sql.SQL(query))
        for query in (str(RawStream()(statement.tree)), found.numbered)
    )
    count_both = sql.SQL(
        "SELECT count(*) FROM (({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one})) AS differing"
    )
    check = derived(statement, count_both.format(one=one, other=other).as_string())
    seconds = float(scene.settings.get("check_seconds", _CHECK_SECONDS))
    try:
        with looking(scene.target, seconds) as connection:
            count = int(check.execute(connection).scalar_one())
    except DBAPIError as error:
        why = f"took more than {seconds:g} s" if sqlstate(error) == _CANCELLED else "could not be done"
        raise RemedyRefusedError(f"{found}, but comparing the rows {why}") from error
    if count:
        raise RemedyRefusedError(f"{found}, but {count:,} rows differ")
