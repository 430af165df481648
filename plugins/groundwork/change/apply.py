"""Carries out a migration plan: one migration of a domain at a time, resumable at any statement, recorded.

The plan is compared with the database again once the domain's turn is taken: what has been done meanwhile is skipped,
what was not in the plan is not done. So applying twice does nothing the second time, and after a crash at any
statement applying again (the old plan or a fresh one) goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.session import run
from groundwork.change.facts import SMALL_BYTES, table_facts
from groundwork.change.failure import explained, is_worth_another_try
from groundwork.change.plan import plan_migration
from groundwork.change.record import Record
from groundwork.change.session import limit_lock_wait, migration_session
from groundwork.change.stage import MigrationPlan, Stage, describe, place_of
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import Diff, compare_domain
from groundwork.model.errors import ConfigError, FatalError, GroundworkError

Observer = Callable[[Stage, str], None]
_PAUSE_SECONDS = 0.2  # before the first new try of a stage; doubles
_BATCH_PAGES = 100  # rows of some 800 kB are written and locked at a time


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How patient a migration is, in seconds and tries.

    `lock_timeout_seconds` is how long one statement may make others queue behind it; a stage that does not get its
    lock is tried `lock_attempts` times in all.
    """

    lock_timeout_seconds: float = 3.0
    lock_attempts: int = 5
    statement_timeout_seconds: float = 3600.0
    turn_timeout_seconds: float = 600.0


@dataclass(frozen=True, kw_only=True)
class MigrationOutcome:
    """What applying a plan did; `remaining` is the comparison afterwards (of a dry run: as it is now)."""

    plan: MigrationPlan
    is_dry_run: bool
    applied: tuple[Stage, ...] = ()
    remaining: Diff = field(default_factory=Diff)
    migration_id: int | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form: `is_dry_run`, `applied` (what each stage did), `remaining`, `migration_id`."""
        return {
            "is_dry_run": self.is_dry_run,
            "applied": [stage.what for stage in self.applied],
            "remaining": self.remaining.to_json(),
            "migration_id": self.migration_id,
        }


def apply_migration(
    engine: Engine,
    plan: MigrationPlan,
    *,
    store_engine: Engine | None = None,
    dry_run: bool = False,
    skip_refused: bool = False,
    limits: Limits | None = None,
    actor: str = "groundwork",
    observer: Observer | None = None,
) -> MigrationOutcome:
    """Bring the database to what the plan's domain declares.

    `observer` is called before each statement. With `skip_refused` the refused differences stay and the rest is done.
    Raises: ConfigError when the plan holds refusals, or the server refuses a statement; DataQualityError when rows
    break a constraint; RetriableError when locks, turn, time or the connection were not to be had; FatalError when a
    stage ran and its difference is still there. Whatever was raised, applying again goes on from there.
    """
    if plan.refusals and not skip_refused:
        raise _refused(plan)
    chosen = limits or Limits()
    if dry_run:
        with engine.connect() as connection:
            return MigrationOutcome(plan=plan, is_dry_run=True, remaining=compare_domain(connection, plan.domain))
    with migration_session(
        engine,
        plan.domain.name,
        statement_timeout_seconds=chosen.statement_timeout_seconds,
        turn_timeout_seconds=chosen.turn_timeout_seconds,
    ) as connection:
        stages = _still_to_do(connection, plan)
        record = Record(store_engine, plan.domain.name, actor)
        with record.migration(plan, has_work=bool(stages)):
            runner = _Runner(connection, record, chosen, observer)
            for stage in stages:
                runner.run(stage)
            remaining = _verified(connection, plan.domain, stages)
        return MigrationOutcome(
            plan=plan, is_dry_run=False, applied=stages, remaining=remaining, migration_id=record.migration_id
        )


def migrate_domain(
    engine: Engine,
    domain: Domain,
    *,
    store_engine: Engine | None = None,
    dry_run: bool = False,
    skip_refused: bool = False,
    limits: Limits | None = None,
    actor: str = "groundwork",
    observer: Observer | None = None,
) -> MigrationOutcome:
    """Compare, plan and apply in one call; arguments and errors as of `apply_migration`."""
    with engine.connect() as connection:
        diff = compare_domain(connection, domain)
    return apply_migration(
        engine,
        plan_migration(domain, diff),
        store_engine=store_engine,
        dry_run=dry_run,
        skip_refused=skip_refused,
        limits=limits,
        actor=actor,
        observer=observer,
    )


class _Runner:
    """Runs stages on one connection."""

    def __init__(self, connection: Connection, record: Record, limits: Limits, observer: Observer | None) -> None:
        self._connection = connection
        self._record = record
        self._limits = limits
        self._observer = observer

    def run(self, stage: Stage) -> None:
        """Run one stage, again when its lock was not granted."""
        for attempt in range(1, self._limits.lock_attempts + 1):
            try:
                self._try(stage, attempt)
            except DBAPIError as error:
                self._take_back(stage, error)
                if attempt == self._limits.lock_attempts or not is_worth_another_try(error):
                    raise explained(stage, error, attempt) from error
                time.sleep(_PAUSE_SECONDS * 2 ** (attempt - 1))
            else:
                self._record.stage_applied(stage)
                return

    def _try(self, stage: Stage, attempt: int) -> None:
        with self._record.attempt(stage, attempt) as statements, self._transaction(stage):
            for position, statement in enumerate(stage.sql, 1):
                if self._observer:
                    self._observer(stage, statement)
                limit_lock_wait(self._connection, self._lock_wait(statement))
                with statements.statement(position, statement):
                    if position in stage.batched:
                        self._run_in_batches(stage, statement)
                    else:
                        run(self._connection, statement)

    def _run_in_batches(self, stage: Stage, statement: str) -> None:
        """One statement per range of pages, each a transaction of its own, up to where the table ended at the start."""
        change = stage.changes[0]
        name = sql.Literal(sql.Identifier(change.schema, change.table).as_string())
        size = sql.SQL("SELECT pg_relation_size({}::regclass) / current_setting('block_size')::int").format(name)
        last = int(str(run(self._connection, size.as_string()).scalar_one()))
        for first in range(0, last + 1, _BATCH_PAGES):
            run(self._connection, statement.replace("$first", str(first)).replace("$last", str(first + _BATCH_PAGES)))

    @contextmanager
    def _transaction(self, stage: Stage) -> Iterator[None]:
        if not stage.is_transactional:
            yield
            return
        run(self._connection, "BEGIN")
        try:
            yield
        except BaseException:
            if not self._connection.invalidated:
                run(self._connection, "ROLLBACK")
            raise
        run(self._connection, "COMMIT")

    def _lock_wait(self, statement: str) -> float:
        # CONCURRENTLY waits for other transactions to end, while those read and write on: no harm in patience.
        return 0 if " CONCURRENTLY " in statement.partition("(")[0] else self._limits.lock_timeout_seconds

    def _take_back(self, stage: Stage, error: DBAPIError) -> None:
        """Undo a half-done stage; a transaction did so by itself, a lost connection is left to the next run."""
        if stage.is_transactional or self._connection.invalidated or error.connection_invalidated:
            return
        limit_lock_wait(self._connection, self._limits.lock_timeout_seconds)
        for statement in stage.rollback_sql:
            run(self._connection, statement)


def _still_to_do(connection: Connection, plan: MigrationPlan) -> tuple[Stage, ...]:
    """The stages of a fresh plan that concern what `plan` was about."""
    small_bytes = SMALL_BYTES if plan.small_bytes is None else plan.small_bytes
    facts = table_facts(connection, plan.domain, small_bytes=small_bytes)
    approved = {place_of(change) for stage in plan.stages for change in stage.changes}
    diff = compare_domain(connection, plan.domain)
    return plan_migration(plan.domain, diff, facts=facts, accept=plan.accept, concerning=approved).stages


def _verified(connection: Connection, domain: Domain, stages: tuple[Stage, ...]) -> Diff:
    remaining = compare_domain(connection, domain)
    undone = [change for stage in stages for change in stage.changes if change in remaining.changes]
    if undone:
        raise FatalError(
            "stages ran and their differences are still there",
            where=f"domain {domain.name}",
            expected="an empty comparison",
            found="; ".join(describe(change) for change in undone),
            next_step=f"groundwork compare-to-db {domain.name}",
        )
    return remaining


def _refused(plan: MigrationPlan) -> GroundworkError:
    reasons = [f"{describe(item.change)}: {item.reason}; safe way: {item.safe_way}" for item in plan.refusals]
    return ConfigError(
        "the migration holds changes that lose data or rewrite a table; nothing was changed",
        where=f"domain {plan.domain.name}",
        expected="changes that can be made in place",
        found="\n    ".join(reasons),
        next_step="take the safe way named, or apply with skip_refused to do the rest",
    )
