"""Releases: what each gate measured, how it was decided, and who overrode a gate and why.

Grain: `release` one row per run; `release_gate` one per measurement of a gate, never changed, the newest of a run
counts; `gate_override` one per decision of a person to let a gate pass for a while, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Double, Engine, ForeignKey, Index, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.evidence import CriterionResult
from groundwork.store.base import METADATA, identity, moment, utc_now

RELEASE = Table(
    "release",
    METADATA,
    Column("run_id", Text, primary_key=True, comment="Airflow's Dag id and run id with a slash between, or cli/…"),
    Column("domain", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'measuring'"), comment="measuring, passed or blocked"),
    Column("why", Text, comment="the decision in words"),
    moment("started_at"),
    moment("decided_at", nullable=True),
    Index(None, "domain", "started_at"),
)
RELEASE_GATE = Table(
    "release_gate",
    METADATA,
    identity(),
    Column("run_id", Text, ForeignKey(RELEASE.c.run_id), nullable=False),
    Column("gate", Text, nullable=False),
    Column("is_passed", Boolean, nullable=False),
    Column("expected", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("how_measured", Text, nullable=False),
    Column("likely_cause", Text),
    Column("next_step", Text),
    Column("operation_id", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("seconds", Double, nullable=False, comment="how long measuring took"),
    moment("measured_at"),
    Index(None, "run_id", "gate"),
)
GATE_OVERRIDE = Table(
    "gate_override",
    METADATA,
    identity(),
    Column("domain", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("person", Text, nullable=False, comment="who answers for it"),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="who or what recorded it"),
    moment("created_at"),
    moment("expires_at", nullable=False),
    Index(None, "domain", "gate", "expires_at"),
)


class Releases:
    """Repository of releases."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start(self, run_id: str, domain: str, actor: str) -> None:
        """Record that a run measures gates; starting it again opens it again."""
        statement = insert(RELEASE).values(run_id=run_id, domain=domain, actor=actor)
        opened = {"state": "measuring", "why": None, "decided_at": None}
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=opened))

    def record(self, run_id: str, result: CriterionResult, seconds: float) -> None:
        """Keep what one gate (the result's criterion) measured."""
        values = {
            "run_id": run_id,
            "gate": result.criterion,
            "is_passed": result.passed,
            "expected": result.expected,
            "found": result.found,
            "how_measured": result.how_measured,
            "likely_cause": result.likely_cause,
            "next_step": result.next_step,
            "operation_id": result.operation.id,
            "details": dict(result.details),
            "seconds": seconds,
        }
        with self._engine.begin() as connection:
            connection.execute(RELEASE_GATE.insert().values(**values))

    def decide(self, run_id: str, *, is_passed: bool, why: str) -> None:
        """Record the decision of a run."""
        values = {"state": "passed" if is_passed else "blocked", "why": why, "decided_at": utc_now()}
        with self._engine.begin() as connection:
            connection.execute(RELEASE.update().where(RELEASE.c.run_id == run_id).values(**values))

    def override(self, domain: str, gate: str, *, person: str, reason: str, actor: str, expires_at: datetime) -> int:
        """Keep that a person lets a gate pass until `expires_at`; the id."""
        values = {"domain": domain, "gate": gate, "person": person, "reason": reason, "actor": actor}
        statement = GATE_OVERRIDE.insert().values(**values, expires_at=expires_at).returning(GATE_OVERRIDE.c.id)
        with self._engine.begin() as connection:
            return int(connection.execute(statement).scalar_one())

    def overrides(self, domain: str, now: datetime) -> dict[str, Mapping[str, Any]]:
        """The newest override that holds at `now`, by gate; columns of `gate_override`."""
        table = GATE_OVERRIDE
        query = select(table).where(table.c.domain == domain, table.c.expires_at > now).order_by(table.c.id)
        return {row["gate"]: row for row in self._rows(query)}

    def gates(self, run_id: str) -> list[Mapping[str, Any]]:
        """The newest measurement of each gate of a run, in order of measuring; columns of `release_gate`."""
        query = select(RELEASE_GATE).where(RELEASE_GATE.c.run_id == run_id).order_by(RELEASE_GATE.c.id)
        newest = {row["gate"]: row for row in self._rows(query)}
        return sorted(newest.values(), key=lambda row: int(row["id"]))

    def latest(self, domains: Sequence[str], limit: int = 20) -> list[Mapping[str, Any]]:
        """The newest releases of domains first; columns of `release`."""
        query = select(RELEASE).where(RELEASE.c.domain.in_(domains)).order_by(RELEASE.c.started_at.desc()).limit(limit)
        return self._rows(query)

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
