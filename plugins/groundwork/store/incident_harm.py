"""How an open incident becomes worse while task instances join it, and which rises people have not been told of.

A rise adds its reason to the assessment and a line to the timeline. Severity never falls while an incident is open:
what was told stays true.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, Text, case, cast, func, select

from groundwork.model.incident import Assessment, Severity
from groundwork.store.base import utc_now
from groundwork.store.incident_table import INCIDENT, entry
from groundwork.store.notification import NOTIFICATION

_MERGED = ("assets", "consumers", "promises", "owners")
_RANKS = {each.value: each.rank for each in Severity}


class IncidentHarm:
    """Repository of what open incidents do harm to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def joined(self, incident_id: uuid.UUID, found: Assessment, what: str) -> bool:
        """Add what a task instance that joined leaves undone; whether the incident became worse by it.

        `what` names the task instance. Idempotent; nothing changes of an incident that is not open.
        """
        with self._engine.begin() as connection:
            query = select(INCIDENT).where(INCIDENT.c.id == incident_id, INCIDENT.c.state == "open")
            row = connection.execute(query.with_for_update()).mappings().first()
            if row is None:
                return False
            changes = _changes(dict(row), found, what)
            connection.execute(INCIDENT.update().where(INCIDENT.c.id == incident_id).values(**changes))
            return "severity" in changes

    def untold(self, limit: int = 200) -> list[Mapping[str, Any]]:
        """Open incidents of which a channel was last told when they were less bad, oldest first; columns of `incident`
        and `told_channels`: those that were told of as bad a one.
        """
        severity = NOTIFICATION.c.message["severity"].astext
        told = (
            select(NOTIFICATION.c.subject, NOTIFICATION.c.channel, func.max(_rank(severity)).label("rank"))
            .where(NOTIFICATION.c.subject.in_(select(cast(INCIDENT.c.id, Text)).where(INCIDENT.c.state == "open")))
            .group_by(NOTIFICATION.c.subject, NOTIFICATION.c.channel)
            .cte("told")
        )
        mine, now = told.c.subject == cast(INCIDENT.c.id, Text), _rank(INCIDENT.c.severity)
        knows = func.array(select(told.c.channel).where(mine, told.c.rank >= now).scalar_subquery())
        query = (
            select(INCIDENT, knows.label("told_channels"))
            .where(INCIDENT.c.state == "open", select(told.c.channel).where(mine, told.c.rank < now).exists())
            .order_by(INCIDENT.c.opened_at, INCIDENT.c.id)
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query.limit(limit)).mappings()]


def _changes(row: Mapping[str, Any], found: Assessment, what: str) -> dict[str, Any]:
    known, report = dict(row["assessment"]), dict(row["report"])
    for name in _MERGED:
        known[name] = list(dict.fromkeys([*known.get(name, ()), *getattr(found, name)]))
    known["opened_as"] = max(Severity(known["opened_as"]), found.severity, key=lambda each: each.rank)
    changes: dict[str, Any] = {"assessment": known}
    if Severity(row["severity"]).rank < found.severity.rank:
        reason = f"{what} joined: {'; '.join(found.reasons)}"
        known["reasons"] = [*known.get("reasons", ()), reason]
        if Severity(report["urgency_level"]).rank < found.severity.rank:
            changes["report"] = {**report, "urgency_level": str(found.severity)}
        changes["severity"] = str(found.severity)
        line = entry(utc_now(), f"severity {found.severity}: {reason}", "orbt")
        changes["timeline"] = [*row["timeline"], line]
    return changes


def _rank(severity: Any) -> Any:
    return case(_RANKS, value=severity)
