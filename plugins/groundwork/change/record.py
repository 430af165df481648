"""Writes down what a migration does, statement by statement, in the store and the audit trail; or nowhere.

The store is another database: a statement is written down before it runs, so a crash leaves it as `running`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from groundwork.change.stage import MigrationPlan, Stage
from groundwork.model.operation import Operation
from groundwork.store.audit import AuditTrail
from groundwork.store.migration import Migrations


class Record:
    """The record of one migration; without a store it keeps nothing."""

    def __init__(self, store_engine: Engine | None, domain: str, actor: str) -> None:
        self._migrations = Migrations(store_engine) if store_engine is not None else None
        self._audit = AuditTrail(store_engine) if store_engine is not None else None
        self._domain = domain
        self._actor = actor
        self._stage_count = 0
        self.migration_id: int | None = None

    @contextmanager
    def migration(self, plan: MigrationPlan, *, has_work: bool) -> Iterator[None]:
        """The whole migration; one that has nothing to do is not written down."""
        if self._migrations is None or not has_work:
            yield
            return
        self.migration_id = self._migrations.start(self._domain, self._actor, plan.to_json())
        try:
            yield
        except BaseException as error:
            self._migrations.finish(self.migration_id, error=str(error) or type(error).__name__)
            self._append("migration_failed", self._domain, {"error": str(error)})
            raise
        self._migrations.finish(self.migration_id)
        self._append("migration_applied", self._domain, {"stages": self._stage_count})

    @contextmanager
    def attempt(self, stage: Stage, attempt: int) -> Iterator[StageRecord]:
        """One try of a stage; when a transactional one fails, its finished statements are marked as rolled back."""
        record = StageRecord(self._migrations, self.migration_id, stage, attempt)
        try:
            yield record
        except BaseException:
            record.rolled_back()
            raise

    def stage_applied(self, stage: Stage) -> None:
        """Put a finished stage on the audit trail."""
        self._stage_count += 1
        first = stage.changes[0]
        subject = f"warehouse:{first.qualified_table}" if len(stage.changes) == 1 else f"warehouse:{first.schema}"
        self._append("migration_stage_applied", subject, {"what": stage.what, "sql": list(stage.sql)})

    def _append(self, action: str, subject: str, details: dict[str, object]) -> None:
        if self._audit is None:
            return
        step = min(self._stage_count, 999)  # the operation id has three digits
        operation = Operation(project=self._domain, name="apply migration", step=step, kind="migrations")
        self._audit.append(
            actor=self._actor,
            action=action,
            subject=subject,
            details={"migration_id": self.migration_id, **details},
            operation_id=operation.id,
            section=operation.section,
        )


class StageRecord:
    """The statements of one try of a stage."""

    def __init__(self, migrations: Migrations | None, migration_id: int | None, stage: Stage, attempt: int) -> None:
        self._migrations = migrations
        self._migration_id = migration_id
        self._stage = stage
        self._attempt = attempt
        self._done: list[int] = []

    @contextmanager
    def statement(self, position: int, sql: str) -> Iterator[None]:
        """One statement, written down before it runs and after."""
        if self._migrations is None or self._migration_id is None:
            yield
            return
        found = self._migrations.start_statement(
            self._migration_id,
            stage=self._stage.what,
            position=position,
            attempt=self._attempt,
            is_transactional=self._stage.is_transactional,
            sql=sql,
        )
        try:
            yield
        except BaseException as error:
            self._migrations.finish_statements([found], "failed", str(error).partition("\n")[0])
            raise
        self._migrations.finish_statements([found], "done")
        self._done.append(found)

    def rolled_back(self) -> None:
        """Mark the finished statements of a transaction that did not commit."""
        if self._migrations is not None and self._stage.is_transactional and self._done:
            self._migrations.finish_statements(self._done, "rolled back")
