"""Runs of the data foundation, their phases, and the evidence for each criterion.

Grain: `foundation_run` one row per Airflow run; `phase_run` one per run and phase (the latest try wins);
`criterion_result` one per check of a criterion, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Engine, ForeignKey, Index, Table, Text, UniqueConstraint, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.evidence import CriterionResult
from groundwork.model.vocabulary import Phase
from groundwork.store.base import METADATA, identity, moment, utc_now

FOUNDATION_RUN = Table(
    "foundation_run",
    METADATA,
    Column("run_id", Text, primary_key=True, comment="Airflow run id"),
    Column("domain", Text, nullable=False),
    Column("connection_id", Text, nullable=False),
    Column("is_dry_run", Boolean, nullable=False, server_default=text("false")),
    moment("started_at"),
    moment("finished_at", nullable=True),
    Column("state", Text, nullable=False, server_default=text("'running'"), comment="running, success or failed"),
)
PHASE_RUN = Table(
    "phase_run",
    METADATA,
    identity(),
    Column("run_id", Text, ForeignKey(FOUNDATION_RUN.c.run_id), nullable=False),
    Column("phase", Text, nullable=False),
    Column("state", Text, nullable=False, comment="running, success or failed"),
    moment("started_at"),
    moment("finished_at", nullable=True),
    UniqueConstraint("run_id", "phase"),
)
CRITERION_RESULT = Table(
    "criterion_result",
    METADATA,
    identity(),
    Column("run_id", Text, ForeignKey(FOUNDATION_RUN.c.run_id), nullable=False),
    Column("domain", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("criterion", Text, nullable=False),
    Column("is_passed", Boolean, nullable=False),
    Column("expected", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("how_measured", Text, nullable=False),
    Column("likely_cause", Text),
    Column("next_step", Text),
    Column("operation_id", Text, nullable=False),
    Column("section", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    moment("checked_at"),
    Index(None, "domain", "phase", "criterion", "checked_at"),
)


class FoundationRuns:
    """Repository of foundation runs and their evidence."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, run_id: str, domain: str, connection_id: str, *, is_dry_run: bool) -> None:
        """Record that a run began; a run that is started again is open again."""
        values = {"run_id": run_id, "domain": domain, "connection_id": connection_id, "is_dry_run": is_dry_run}
        statement = insert(FOUNDATION_RUN).values(**values)
        reopened = statement.on_conflict_do_update(
            index_elements=["run_id"], set_={"state": "running", "finished_at": None}
        )
        with self._engine.begin() as connection:
            connection.execute(reopened)

    def finish(self, run_id: str, *, is_success: bool) -> None:
        """Record how a run ended."""
        changed = FOUNDATION_RUN.update().where(FOUNDATION_RUN.c.run_id == run_id)
        with self._engine.begin() as connection:
            connection.execute(changed.values(state=_state(is_success=is_success), finished_at=utc_now()))

    def start_phase(self, run_id: str, phase: Phase) -> None:
        """Record that a phase began; a second try starts its clock anew."""
        statement = insert(PHASE_RUN).values(run_id=run_id, phase=phase, state="running", started_at=utc_now())
        restarted = statement.on_conflict_do_update(
            index_elements=["run_id", "phase"],
            set_={"state": "running", "started_at": statement.excluded.started_at, "finished_at": None},
        )
        with self._engine.begin() as connection:
            connection.execute(restarted)

    def finish_phase(self, run_id: str, phase: Phase, *, is_success: bool) -> None:
        """Record how a phase ended."""
        changed = PHASE_RUN.update().where(PHASE_RUN.c.run_id == run_id, PHASE_RUN.c.phase == phase)
        with self._engine.begin() as connection:
            connection.execute(changed.values(state=_state(is_success=is_success), finished_at=utc_now()))

    def record(self, run_id: str, domain: str, phase: Phase, result: CriterionResult) -> None:
        """Keep the evidence of one checked criterion."""
        with self._engine.begin() as connection:
            connection.execute(
                CRITERION_RESULT.insert().values(
                    run_id=run_id,
                    domain=domain,
                    phase=phase,
                    criterion=result.criterion,
                    is_passed=result.passed,
                    expected=result.expected,
                    found=result.found,
                    how_measured=result.how_measured,
                    likely_cause=result.likely_cause,
                    next_step=result.next_step,
                    operation_id=result.operation.id,
                    section=result.operation.section,
                    details=dict(result.details),
                )
            )

    def latest(self, domain: str | None = None, limit: int = 20) -> list[Mapping[str, Any]]:
        """The newest runs first, of one domain or of all; columns of `foundation_run`."""
        query = select(FOUNDATION_RUN).order_by(FOUNDATION_RUN.c.started_at.desc()).limit(limit)
        if domain is not None:
            query = query.where(FOUNDATION_RUN.c.domain == domain)
        return self._rows(query)

    def get(self, run_id: str) -> Mapping[str, Any] | None:
        """The run called `run_id`, or null when there is none; columns of `foundation_run`."""
        rows = self._rows(select(FOUNDATION_RUN).where(FOUNDATION_RUN.c.run_id == run_id))
        return rows[0] if rows else None

    def phases(self, run_id: str) -> list[Mapping[str, Any]]:
        """The phases of a run in order of start; columns of `phase_run`."""
        return self._rows(select(PHASE_RUN).where(PHASE_RUN.c.run_id == run_id).order_by(PHASE_RUN.c.started_at))

    def criteria(self, run_id: str) -> list[Mapping[str, Any]]:
        """The latest evidence for each criterion of a run, in order of checking; columns of `criterion_result`."""
        newest = (
            select(CRITERION_RESULT)
            .where(CRITERION_RESULT.c.run_id == run_id)
            .distinct(CRITERION_RESULT.c.phase, CRITERION_RESULT.c.criterion)
            .order_by(CRITERION_RESULT.c.phase, CRITERION_RESULT.c.criterion, CRITERION_RESULT.c.id.desc())
            .subquery()
        )
        return self._rows(select(newest).order_by(newest.c.id))

    def domains(self) -> list[tuple[str, datetime]]:
        """Every domain that was ever run with the start of its newest run, in order of name."""
        query = (
            select(FOUNDATION_RUN.c.domain, FOUNDATION_RUN.c.started_at)
            .distinct(FOUNDATION_RUN.c.domain)
            .order_by(FOUNDATION_RUN.c.domain, FOUNDATION_RUN.c.started_at.desc())
        )
        return [(row["domain"], row["started_at"]) for row in self._rows(query)]

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _state(*, is_success: bool) -> str:
    return "success" if is_success else "failed"
