"""Migrations of the warehouse: what was planned, and what became of each statement.

Grain: `migration` one row per applied plan; `migration_statement` one per try of a statement, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Column, Engine, ForeignKey, Index, Integer, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.store.base import METADATA, identity, moment, utc_now

_STATES = "running, applied, failed, rolling back or rolled back"
MIGRATION = Table(
    "migration",
    METADATA,
    identity(),
    Column("domain", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("plan", JSONB, nullable=False, comment="stages, refusals and what is left alone, as they were planned"),
    Column("state", Text, nullable=False, server_default=text("'running'"), comment=_STATES),
    Column("error", Text),
    moment("started_at"),
    moment("finished_at", nullable=True),
    Index(None, "domain", "started_at"),
)
MIGRATION_STATEMENT = Table(
    "migration_statement",
    METADATA,
    identity(),
    Column("migration_id", ForeignKey(MIGRATION.c.id), nullable=False, index=True),
    Column("stage", Text, nullable=False, comment="what the stage does"),
    Column("position", Integer, nullable=False, comment="1, 2, 3, … within the stage"),
    Column("attempt", Integer, nullable=False, comment="1 for the first try of the stage"),
    Column("is_transactional", Boolean, nullable=False),
    Column("sql", Text, nullable=False),
    Column("state", Text, nullable=False, comment="running, done, failed, rolled back or undone"),
    Column("error", Text),
    moment("started_at"),
    moment("finished_at", nullable=True),
)


class Migrations:
    """Repository of migrations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, domain: str, actor: str, plan: Mapping[str, Any]) -> int:
        """Record that a plan begins to be applied; its id."""
        statement = MIGRATION.insert().values(domain=domain, actor=actor, plan=dict(plan)).returning(MIGRATION.c.id)
        with self._engine.begin() as connection:
            return int(connection.execute(statement).scalar_one())

    def start_statement(
        self, migration_id: int, *, stage: str, position: int, attempt: int, is_transactional: bool, sql: str
    ) -> int:
        """Record that a statement is about to run; its id."""
        values = {
            "migration_id": migration_id,
            "stage": stage,
            "position": position,
            "attempt": attempt,
            "is_transactional": is_transactional,
            "sql": sql,
            "state": "running",
        }
        statement = MIGRATION_STATEMENT.insert().values(**values).returning(MIGRATION_STATEMENT.c.id)
        with self._engine.begin() as connection:
            return int(connection.execute(statement).scalar_one())

    def finish_statements(self, ids: list[int], state: str, error: str | None = None) -> None:
        """Record what became of statements."""
        changed = MIGRATION_STATEMENT.update().where(MIGRATION_STATEMENT.c.id.in_(ids))
        with self._engine.begin() as connection:
            connection.execute(changed.values(state=state, error=error, finished_at=utc_now()))

    def finish(self, migration_id: int, error: str | None = None) -> None:
        """Record how a migration ended: applied, or failed with `error`."""
        state = "applied" if error is None else "failed"
        changed = MIGRATION.update().where(MIGRATION.c.id == migration_id)
        with self._engine.begin() as connection:
            connection.execute(changed.values(state=state, error=error, finished_at=utc_now()))

    def mark(self, migration_id: int, state: str) -> None:
        """Record another state of a migration."""
        changed = MIGRATION.update().where(MIGRATION.c.id == migration_id)
        with self._engine.begin() as connection:
            connection.execute(changed.values(state=state, finished_at=utc_now()))

    def undone(self, migration_id: int, stage: str) -> None:
        """Record that a rollback undid the statements of a stage."""
        condition = (MIGRATION_STATEMENT.c.migration_id == migration_id) & (MIGRATION_STATEMENT.c.stage == stage)
        changed = MIGRATION_STATEMENT.update().where(condition, MIGRATION_STATEMENT.c.state == "done")
        with self._engine.begin() as connection:
            connection.execute(changed.values(state="undone", finished_at=utc_now()))

    def get(self, migration_id: int) -> Mapping[str, Any] | None:
        """One migration, or null when there is none; columns of `migration`."""
        rows = self._rows(select(MIGRATION).where(MIGRATION.c.id == migration_id))
        return rows[0] if rows else None

    def latest(self, domain: str | None = None, limit: int = 20) -> list[Mapping[str, Any]]:
        """The newest migrations first, of a domain or of all; columns of `migration`."""
        query = select(MIGRATION).order_by(MIGRATION.c.id.desc()).limit(limit)
        return self._rows(query if domain is None else query.where(MIGRATION.c.domain == domain))

    def statements(self, migration_id: int) -> list[Mapping[str, Any]]:
        """The statements of a migration in the order they ran; columns of `migration_statement`."""
        condition = MIGRATION_STATEMENT.c.migration_id == migration_id
        return self._rows(select(MIGRATION_STATEMENT).where(condition).order_by(MIGRATION_STATEMENT.c.id))

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
