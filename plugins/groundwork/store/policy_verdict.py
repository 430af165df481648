"""Verdicts of policies: which rule asked what of what, and what was found.

Grain: one row per run, step, rule and subject; a step that runs again replaces its rows (the audit trail keeps all).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Column, Engine, Index, Table, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.model.policy import PolicyVerdict
from groundwork.store.base import METADATA, identity, moment

POLICY_VERDICT = Table(
    "policy_verdict",
    METADATA,
    identity(),
    Column("run_id", Text, nullable=False, comment="Airflow run id"),
    Column("domain", Text, nullable=False),
    Column("step", Text, nullable=False, comment="task that judged"),
    Column("policy", Text, nullable=False, comment="classification, masking, access or retention"),
    Column("policy_version", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="what was judged, e.g. market.orders.quantity"),
    Column("is_passed", Boolean, nullable=False),
    Column("effect", Text, nullable=False, comment="what a failure does: block or warn"),
    Column("expected", Text, nullable=False),
    Column("found", Text, nullable=False),
    Column("next_step", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    moment("judged_at"),
    Index(None, "run_id", "step"),
    Index(None, "domain", "judged_at"),
)


class PolicyVerdicts:
    """Repository of policy verdicts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, run_id: str, domain: str, step: str, verdicts: Sequence[PolicyVerdict]) -> None:
        """Keep the verdicts of one step of a run in place of those it gave before."""
        of_step = (POLICY_VERDICT.c.run_id == run_id, POLICY_VERDICT.c.domain == domain, POLICY_VERDICT.c.step == step)
        with self._engine.begin() as connection:
            connection.execute(POLICY_VERDICT.delete().where(*of_step))
            if verdicts:
                rows = [_row(run_id, domain, verdict) | {"step": step} for verdict in verdicts]
                connection.execute(POLICY_VERDICT.insert(), rows)

    def of_run(self, run_id: str, domain: str) -> list[Mapping[str, Any]]:
        """The verdicts of a run on a domain in the order they were given; columns of `policy_verdict`."""
        query = (
            select(POLICY_VERDICT)
            .where(POLICY_VERDICT.c.run_id == run_id, POLICY_VERDICT.c.domain == domain)
            .order_by(POLICY_VERDICT.c.id)
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def latest(self, domain: str) -> list[Mapping[str, Any]]:
        """The verdicts of the domain's newest run, as `of_run`; empty when it was never judged."""
        query = (
            select(POLICY_VERDICT.c.run_id)
            .where(POLICY_VERDICT.c.domain == domain)
            .order_by(POLICY_VERDICT.c.id.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            run_id = connection.execute(query).scalar()
        return self.of_run(run_id, domain) if run_id is not None else []


def _row(run_id: str, domain: str, verdict: PolicyVerdict) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "domain": domain,
        "policy": verdict.policy,
        "policy_version": verdict.policy_version,
        "rule": verdict.rule,
        "subject": verdict.subject,
        "is_passed": verdict.passed,
        "effect": verdict.effect,
        "expected": verdict.expected,
        "found": verdict.found,
        "next_step": verdict.next_step,
        "details": dict(verdict.details),
    }
