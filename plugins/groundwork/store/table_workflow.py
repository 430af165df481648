"""Runs of the workflows that make or change a table, and what each of their steps found and why it decided so.

Grain: `table_workflow` one row per Airflow run; `table_workflow_step` one row per run and step, the latest try wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Engine, ForeignKey, Index, Table, Text, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.store.base import METADATA, identity, moment, utc_now

TABLE_WORKFLOW = Table(
    "table_workflow",
    METADATA,
    Column("run_id", Text, primary_key=True, comment="Airflow's Dag id and run id with a slash between"),
    Column("kind", Text, nullable=False, comment="new_table or change_column"),
    Column("domain", Text, nullable=False),
    Column("table_name", Text, nullable=False, comment="schema.table"),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'running'"), comment="running, success or failed"),
    moment("started_at"),
    moment("finished_at", nullable=True),
    Index(None, "domain", "table_name", "started_at"),
)
TABLE_WORKFLOW_STEP = Table(
    "table_workflow_step",
    METADATA,
    identity(),
    Column("run_id", Text, ForeignKey(TABLE_WORKFLOW.c.run_id), nullable=False),
    Column("step", Text, nullable=False),
    Column("told", Text, nullable=False, comment="what was found, for people"),
    Column("reasons", JSONB, nullable=False, server_default=text("'[]'::jsonb"), comment="list of text"),
    Column("found", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="the same as data"),
    Column("operation_id", Text, nullable=False),
    moment("recorded_at"),
    UniqueConstraint("run_id", "step"),
)


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What one step found: `told` for people, `found` JSON-ready, `reasons` why it decided as it did."""

    step: str
    told: str
    operation_id: str
    reasons: Sequence[str] = ()
    found: Mapping[str, Any] = field(default_factory=dict)


class TableWorkflows:
    """Repository of workflow runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, run_id: str, *, kind: str, domain: str, table: str, actor: str) -> None:
        """Record that a run began; one that is started again is open again."""
        values = {"run_id": run_id, "kind": kind, "domain": domain, "table_name": table, "actor": actor}
        statement = insert(TABLE_WORKFLOW).values(**values)
        reopened = statement.on_conflict_do_update(
            index_elements=["run_id"], set_={"state": "running", "finished_at": None}
        )
        with self._engine.begin() as connection:
            connection.execute(reopened)

    def finish(self, run_id: str, *, is_success: bool) -> None:
        """Record how a run ended."""
        state = "success" if is_success else "failed"
        changed = TABLE_WORKFLOW.update().where(TABLE_WORKFLOW.c.run_id == run_id)
        with self._engine.begin() as connection:
            connection.execute(changed.values(state=state, finished_at=utc_now()))

    def record(self, run_id: str, step: StepRecord) -> None:
        """Keep what a step found, in place of what an earlier try of it found."""
        statement = insert(TABLE_WORKFLOW_STEP).values(
            run_id=run_id,
            step=step.step,
            told=step.told,
            reasons=list(step.reasons),
            found=dict(step.found),
            operation_id=step.operation_id,
            recorded_at=utc_now(),
        )
        kept = ("told", "reasons", "found", "operation_id", "recorded_at")
        replacing = statement.on_conflict_do_update(
            index_elements=["run_id", "step"], set_={column: statement.excluded[column] for column in kept}
        )
        with self._engine.begin() as connection:
            connection.execute(replacing)

    def get(self, run_id: str) -> Mapping[str, Any] | None:
        """One run, or null; columns of `table_workflow`."""
        rows = self._rows(select(TABLE_WORKFLOW).where(TABLE_WORKFLOW.c.run_id == run_id))
        return rows[0] if rows else None

    def step(self, run_id: str, step: str) -> Mapping[str, Any] | None:
        """What one step of a run found, or null; columns of `table_workflow_step`."""
        condition = (TABLE_WORKFLOW_STEP.c.run_id == run_id) & (TABLE_WORKFLOW_STEP.c.step == step)
        rows = self._rows(select(TABLE_WORKFLOW_STEP).where(condition))
        return rows[0] if rows else None

    def steps(self, run_id: str) -> list[Mapping[str, Any]]:
        """The steps of a run in the order they were recorded; columns of `table_workflow_step`."""
        query = select(TABLE_WORKFLOW_STEP).where(TABLE_WORKFLOW_STEP.c.run_id == run_id)
        return self._rows(query.order_by(TABLE_WORKFLOW_STEP.c.recorded_at, TABLE_WORKFLOW_STEP.c.id))

    def latest(self, domain: str | None = None, limit: int = 20) -> list[Mapping[str, Any]]:
        """The newest runs first, of one domain or of all; columns of `table_workflow`."""
        query = select(TABLE_WORKFLOW).order_by(TABLE_WORKFLOW.c.started_at.desc()).limit(limit)
        if domain is not None:
            query = query.where(TABLE_WORKFLOW.c.domain == domain)
        return self._rows(query)

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
