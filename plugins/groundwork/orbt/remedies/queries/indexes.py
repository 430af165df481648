"""An index that the failed statement's plan misses: built beside the work that goes on, kept only when it pays."""

# groundwork: allow-file raw_sql,own_session,direct_driver a remedy makes and drops an index on the server

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from psycopg import sql
from sqlalchemy import Connection, Engine, Row, bindparam, text

from groundwork.catalog.session import run
from groundwork.model.fault import Change
from groundwork.orbt.remedies.queries import hypothetical
from groundwork.orbt.remedies.queries.contract_tables import contract_tables
from groundwork.orbt.remedies.queries.index_candidates import Candidate, candidates, is_selective, wide_candidates
from groundwork.orbt.remedies.queries.plans import explain
from groundwork.orbt.remedies.queries.statement import failed, looking
from groundwork.orbt.remedies.queries.timing import is_faster, measure
from groundwork.orbt.remedies.remedy import Journal, Limits, Remedy, RemedyRefusedError, Scene

_TABLE = text(
    """
    SELECT class.oid, class.relkind, class.relispartition AS is_partition, class.relpersistence,
           pg_has_role(class.relowner, 'USAGE') AS is_owned,
           GREATEST(class.reltuples, pg_stat_get_live_tuples(class.oid), 0) AS row_count,
           pg_table_size(class.oid) AS bytes,
           (SELECT count(*) FROM pg_index WHERE indrelid = class.oid) AS index_count
    FROM pg_class AS class JOIN pg_namespace AS space ON space.oid = class.relnamespace
    WHERE space.nspname = :schema AND class.relname = :table
    """
)
_INDEXES = text(
    """
    SELECT index.relname AS name, owned.indisvalid AS is_valid,
           owned.indpred IS NOT NULL AS is_partial,
           ARRAY(SELECT coalesce(attribute.attname::text, '')
                 FROM unnest(owned.indkey::smallint[]) WITH ORDINALITY AS key (number, place)
                 LEFT JOIN pg_attribute AS attribute
                   ON attribute.attrelid = owned.indrelid AND attribute.attnum = key.number AND key.number <> 0
                 ORDER BY key.place) AS columns
    FROM pg_index AS owned
    JOIN pg_class AS index ON index.oid = owned.indexrelid
    JOIN pg_am AS method ON method.oid = index.relam AND method.amname = 'btree'
    WHERE owned.indrelid = :table
    """
).bindparams(bindparam("table"))
_LOOK_SECONDS = 15.0
_LOCK_SECONDS = 30.0  # for which building may wait until transactions that began before have ended


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """The index to build; `told` is what the planner expects of it, or why it could not be asked."""

    candidate: Candidate
    table_oid: int
    told: str | None


class CreateIndex(Remedy):
    """Build the index that the statement's plan misses, and keep it only if the statement got faster."""

    name = "create_index"
    summary = (
        "builds the index that the failed statement misses, beside running work; dropped again unless it got faster"
    )
    limits = Limits(
        seconds=600,
        rows=100_000_000,
        lock="SHARE UPDATE EXCLUSIVE",
        blast_radius="one new index on one table of a contract that our role owns",
    )
    way_back = "the index is dropped, half built or whole, beside running work"
    is_writing = True
    cost: ClassVar[int] = 3
    table_megabytes = 20_000  # of the largest table that gets an index by itself
    index_limit = 12  # indexes on a table, above which another one is for a person to decide
    time_seconds = 10.0  # for which the statement is run to be timed

    def plan(self, scene: Scene) -> tuple[str, ...]:
        """The statement that would build it, and what the planner says of it where that can be asked."""
        wanted = self._wanted(scene)
        told = () if wanted.told is None else (wanted.told,)
        return (f"{_statement(wanted.candidate)}, kept only if the failed statement gets faster", *told)

    def apply(self, scene: Scene, journal: Journal) -> None:
        """Build it, compare, keep or leave it to be dropped."""
        statement = failed(scene)
        wanted = self._wanted(scene)
        candidate = wanted.candidate
        if wanted.told is not None:
            journal.note(wanted.told)
        limit = float(scene.settings.get("time_seconds", self.time_seconds))
        before = measure(scene.target, statement, limit)
        name = _name(candidate)
        journal.will(
            f"create the index {name} on {candidate}",
            schema=candidate.schema,
            index=name,
            table_oid=wanted.table_oid,
            columns=list(candidate.columns),
        )
        with _building(scene.target) as connection:
            run(connection, _statement(candidate))
        after = measure(scene.target, statement, limit)
        if name not in after.plan.indexes:
            raise RemedyRefusedError(f"the planner does not take an index on {candidate}")
        if not is_faster(before, after):
            raise RemedyRefusedError(f"with the index the statement is not faster: {before}, then {after}")
        journal.note(
            f"created the index {name} on {candidate}: {before}, now {after}; "
            "declare it in the contract, or the next comparison with the database reports it"
        )

    def undo(self, scene: Scene, change: Change) -> str:
        """Drop the index when it is the one that was made: this table's, with these columns."""
        facts = change.facts
        with _building(scene.target) as connection:
            made = [
                row for row in connection.execute(_INDEXES, {"table": facts["table_oid"]}) if row.name == facts["index"]
            ]
            if not made:
                return f"the index {facts['index']} is not there"
            if list(made[0].columns) != list(facts["columns"]):
                return f"the index {facts['index']} is not the one that was made, and stays"
            run(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {_quoted(facts['schema'], facts['index'])}")
        return f"dropped the index {facts['index']}"

    def _wanted(self, scene: Scene) -> _Wanted:
        """The best candidate that may be built: by what the planner says where it can be asked, else by the plan."""
        statement = failed(scene)
        with looking(scene.target, _LOOK_SECONDS) as connection:
            plan = explain(connection, statement)
            hypopg = hypothetical.find(connection)
            is_asked = hypopg is not None and hypopg.obstacle is None
            found = wide_candidates(plan) if is_asked else candidates(plan)
            allowed, reasons = self._allowed(connection, found, scene)
        told = None if hypopg is None else hypopg.obstacle
        if hypopg is not None and is_asked and allowed:
            trials = hypothetical.tried(scene.target, hypopg, statement, list(allowed))
            if not isinstance(trials, str):
                return _chosen(allowed, trials)
            told = trials
        for candidate in candidates(plan):
            if candidate in allowed and is_selective(candidate, allowed[candidate].row_count):
                return _Wanted(candidate=candidate, table_oid=allowed[candidate].oid, told=told)
        reasons += [f"{each}: too large a part of its rows is wanted" for each in allowed]
        raise RemedyRefusedError(
            f"no index would help: {'; '.join(reasons) or 'the plan reads no table whole for few rows'}"
        )

    def _allowed(
        self, connection: Connection, found: Sequence[Candidate], scene: Scene
    ) -> tuple[dict[Candidate, Row[Any]], list[str]]:
        """The candidates that may be built, with their tables as `_TABLE` tells; and why the others may not."""
        allowed: dict[Candidate, Row[Any]] = {}
        reasons: list[str] = []
        for candidate in found:
            table = connection.execute(_TABLE, {"schema": candidate.schema, "table": candidate.table}).one()
            obstacle = self._obstacle(connection, candidate, table, scene)
            if obstacle is None:
                allowed[candidate] = table
            else:
                reasons.append(f"{candidate}: {obstacle}")
        return allowed, reasons

    def _obstacle(self, connection: Connection, candidate: Candidate, row: Row[Any], scene: Scene) -> str | None:
        settings, limits = scene.settings, scene.limits or self.limits
        megabytes = float(settings.get("table_megabytes", self.table_megabytes))
        is_any_table = bool(settings.get("any_table", False))
        checks = (
            (
                row.relkind != "r" or row.is_partition,
                "it is partitioned, where an index cannot be built beside the work",
            ),
            (row.relpersistence == "t", "it is a temporary table"),
            (not row.is_owned, "our role does not own it"),
            (
                not is_any_table and (candidate.schema, candidate.table) not in contract_tables(scene.project),
                "it is of no contract, and policy does not allow other tables",
            ),
            (limits.rows is not None and row.row_count > limits.rows, f"it has more rows than {limits.rows}"),
            (row.bytes > megabytes * 1_000_000, f"it is larger than {megabytes:g} MB"),
            (row.index_count >= int(settings.get("index_limit", self.index_limit)), "it has many indexes already"),
        )
        obstacle = next((why for is_so, why in checks if is_so), None)
        return obstacle or _existing(connection, row.oid, candidate)


def _chosen(allowed: Mapping[Candidate, Row[Any]], trials: Sequence[hypothetical.Trial]) -> _Wanted:
    """The candidate that the planner would take. Raises: RemedyRefusedError when it would take none for much less."""
    trial = hypothetical.best(trials)
    if trial is None:
        told = "; ".join(f"{each.candidate}: {each}" for each in trials)
        raise RemedyRefusedError(f"no index would help, by hypothetical ones (hypopg): {told}")
    counted = f"the best of {len(trials)} hypothetical indexes (hypopg)"
    return _Wanted(
        candidate=trial.candidate,
        table_oid=allowed[trial.candidate].oid,
        told=f"{counted} is on {trial.candidate}: {trial}",
    )


def _existing(connection: Connection, table_oid: int, candidate: Candidate) -> str | None:
    width = len(candidate.columns)
    for row in connection.execute(_INDEXES, {"table": table_oid}):
        if row.name == _name(candidate):
            return f"the name {row.name} is taken"
        if row.is_valid and not row.is_partial and tuple(row.columns[:width]) == candidate.columns:
            return f"the index {row.name} is there already"
    return None


@contextmanager
def _building(engine: Engine) -> Iterator[Connection]:
    """A connection that commits each statement and waits for no lock longer than a moment."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        run(connection, f"SET lock_timeout = {int(_LOCK_SECONDS * 1000)}")
        run(connection, "SET statement_timeout = 0")  # the run's own deadline ends the session
        yield connection


def _name(candidate: Candidate) -> str:
    """A name that says what it is for; names longer than PostgreSQL allows end in a digest."""
    whole = f"ix_{candidate.table}_{'_'.join(candidate.columns)}_orbt"
    if len(whole.encode()) <= 63:
        return whole
    digest = hashlib.sha256(f"{candidate.schema}.{whole}".encode()).hexdigest()[:12]
    return f"{whole.encode()[:40].decode(errors='ignore')}_{digest}_orbt"


def _statement(candidate: Candidate) -> str:
    table, keys = _quoted(candidate.schema, candidate.table), ", ".join(map(_quoted, candidate.columns))
    return f"CREATE INDEX CONCURRENTLY {_quoted(_name(candidate))} ON {table} ({keys})"


def _quoted(*names: str) -> str:
    return sql.Identifier(*names).as_string()
