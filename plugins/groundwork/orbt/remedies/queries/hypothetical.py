"""Indexes that are only thought of: where a server has the extension hypopg, its planner says what each would bring.

They live in one session, which is ended afterwards. Nothing is installed here, and nothing is built.
"""

# groundwork: allow-file raw_sql,direct_driver asks the planner about indexes that are not there

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, Engine, bindparam, func, select, text
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.session import detached, run
from groundwork.orbt.classify import sqlstate
from groundwork.orbt.remedies.queries.index_candidates import Candidate
from groundwork.orbt.remedies.queries.plans import explain
from groundwork.orbt.remedies.queries.statement import Statement, looking

_log = logging.getLogger(__name__)
_SECONDS = 15.0  # for one question to the planner
_CHEAPER = 0.8  # share of the cost below which building an index is worth its while
_ALIKE = 1.05  # share of the best cost up to which the index with fewer columns is the better one
_CREATE, _RESET, _SIZE = "hypopg_create_index", "hypopg_reset", "hypopg_relation_size"
_WHERE = text(
    """
    SELECT space.nspname AS schema,
           has_schema_privilege(space.oid, 'USAGE')
               AND count(*) FILTER (WHERE has_function_privilege(function.oid, 'EXECUTE')) = :count AS is_open
    FROM pg_extension AS extension
    JOIN pg_namespace AS space ON space.oid = extension.extnamespace
    LEFT JOIN pg_proc AS function ON function.pronamespace = space.oid AND function.proname IN :names
    WHERE extension.extname = 'hypopg'
    GROUP BY space.oid, space.nspname
    """
).bindparams(bindparam("names", expanding=True))


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What the planner says of one candidate: the statement's cost without and with it, null where it is not used.

    `size_bytes` is about what the index would take.
    """

    candidate: Candidate
    before: float
    after: float | None
    size_bytes: int

    @property
    def is_worth_it(self) -> bool:
        """Whether the planner would use it, and for a good deal less."""
        return self.after is not None and self.after < _CHEAPER * self.before

    def __str__(self) -> str:
        if self.after is None:
            return "the planner would not use it"
        size = f"about {self.size_bytes / 1_000_000:,.1f} MB"
        return f"the planner expects cost {self.after:,.0f} instead of {self.before:,.0f} with it ({size})"


@dataclass(frozen=True, kw_only=True)
class Hypopg:
    """Where the extension is; `obstacle` says why it cannot be asked although it is there."""

    schema: str
    obstacle: str | None = None


def find(connection: Connection) -> Hypopg | None:
    """The extension in the connection's database; null when it is not installed."""
    names = [_CREATE, _RESET, _SIZE]
    row = connection.execute(_WHERE, {"names": names, "count": len(names)}).one_or_none()
    if row is None:
        return None
    obstacle = None if row.is_open else f"hypopg is installed in the schema {row.schema}, but our role may not call it"
    return Hypopg(schema=row.schema, obstacle=obstacle)


def tried(engine: Engine, hypopg: Hypopg, statement: Statement, wanted: Sequence[Candidate]) -> tuple[Trial, ...] | str:
    """One trial per candidate, each alone; or why the extension does not answer."""
    try:
        # no later work of a pool may meet these indexes
        with looking(engine, _SECONDS) as connection, detached(connection):
            connection.execute(select(func.set_config("hypopg.enabled", "on", True)))
            try:
                before = explain(connection, statement).cost
                return tuple(_trial(connection, hypopg, statement, each, before) for each in wanted)
            finally:
                _forget(connection, hypopg)
    except DBAPIError as error:
        _log.warning("hypopg could not be asked: %s", type(error.orig).__name__)
        return f"hypopg is installed, but does not answer (SQLSTATE {sqlstate(error)})"


def best(trials: Sequence[Trial]) -> Trial | None:
    """The trial that is worth it and brings most; of those that bring about the same the one with fewest columns."""
    known: Mapping[Trial, float] = {each: each.after for each in trials if each.is_worth_it and each.after is not None}
    if not known:
        return None
    limit = _ALIKE * min(known.values())
    alike = [each for each, cost in known.items() if cost <= limit]
    return min(alike, key=lambda each: (len(each.candidate.columns), known[each]))


def _trial(connection: Connection, hypopg: Hypopg, statement: Statement, candidate: Candidate, before: float) -> Trial:
    row = run(connection, _call(hypopg, _CREATE, _definition(candidate))).one()
    plan = explain(connection, statement)
    size = int(str(run(connection, _call(hypopg, _SIZE, row.indexrelid)).scalar_one()))
    run(connection, _call(hypopg, _RESET))
    after = plan.cost if row.indexname in plan.indexes else None
    return Trial(candidate=candidate, before=before, after=after, size_bytes=size)


def _forget(connection: Connection, hypopg: Hypopg) -> None:
    """Forget the indexes; after a failure there is nobody to tell, and the session ends anyway."""
    try:
        run(connection, _call(hypopg, _RESET))
    except DBAPIError as error:
        _log.debug("hypothetical indexes end with their session: %s", type(error.orig).__name__)


def _call(hypopg: Hypopg, name: str, *arguments: str | int) -> str:
    function, values = sql.Identifier(hypopg.schema, name), sql.SQL(", ").join(map(sql.Literal, arguments))
    return sql.SQL("SELECT * FROM {}({})").format(function, values).as_string()


def _definition(candidate: Candidate) -> str:
    table, keys = sql.Identifier(candidate.schema, candidate.table), map(sql.Identifier, candidate.columns)
    return sql.SQL("CREATE INDEX ON {} ({})").format(table, sql.SQL(", ").join(keys)).as_string()
