"""Alarms that a scan raised: which finding opened which incident, so that each finding raises one.

Grain: one row per rule, subject and evidence. New evidence (the next run that fails the same check) is a new finding:
it joins the incident while that is open, and opens another after it was closed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, Engine, Index, Table, Text, UniqueConstraint, Uuid, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from groundwork.store.base import METADATA, identity, moment

ALARM = Table(
    "alarm",
    METADATA,
    identity(),
    Column("rule", Text, nullable=False, comment="name in the policy"),
    Column("kind", Text, nullable=False, comment="data_loss, breach, compliance_violation, …"),
    Column("subject", Text, nullable=False, comment="what it is about, e.g. market.orders"),
    Column("evidence", Text, nullable=False, comment="names the fact that was found, e.g. a run"),
    Column("what", Text, nullable=False, comment="for people, without secrets and row values"),
    Column("incident_id", Uuid, nullable=False),
    moment("raised_at"),
    UniqueConstraint("rule", "subject", "evidence"),
    Index(None, "raised_at"),
)
Finding = tuple[str, str, str]  # rule, subject, evidence


class Alarms:
    """Repository of raised alarms."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def known(self, findings: Iterable[Finding]) -> set[Finding]:
        """Those of `findings` that raised an alarm before."""
        wanted = list(findings)
        if not wanted:
            return set()
        key = (ALARM.c.rule, ALARM.c.subject, ALARM.c.evidence)
        with self._engine.connect() as connection:
            rows = connection.execute(select(*key).where(tuple_(*key).in_(wanted)))
            return {(row.rule, row.subject, row.evidence) for row in rows}

    def keep(self, *, rule: str, kind: str, subject: str, evidence: str, what: str, incident_id: uuid.UUID) -> bool:
        """Record a raised alarm; false when the finding was there already."""
        values = {"rule": rule, "kind": kind, "subject": subject, "evidence": evidence}
        statement = insert(ALARM).values(**values, what=what, incident_id=incident_id)
        same = ["rule", "subject", "evidence"]
        with self._engine.begin() as connection:
            done = connection.execute(statement.on_conflict_do_nothing(index_elements=same).returning(ALARM.c.id))
            return done.first() is not None

    def latest(self, limit: int = 100) -> list[Mapping[str, Any]]:
        """The newest first; columns of `alarm`."""
        query = select(ALARM).order_by(ALARM.c.id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
