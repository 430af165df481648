"""Incidents: what ORBT could not mend by itself, the report for a person, and what the person decided.

Grain: one open row per cause and target, that is per (Dag, task, fault class); further task instances and runs that
fail for the same cause join the open incident in `affected`. Once answered it stays as it is and a new failure opens
another.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Engine, Index, Table, Text, Uuid, case, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, EscalationReport, Strike, TaskTry
from groundwork.store.base import METADATA, moment, utc_now

INCIDENT = Table(
    "incident",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("domain", Text, nullable=False),
    Column("dag_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("fault_class", Text, nullable=False),
    Column("state", Text, nullable=False, comment="open, answered or resolved"),
    Column("report", JSONB, nullable=False, comment="the fields of requirement O5"),
    Column("affected", JSONB, nullable=False, comment="list of {run_id, map_index}"),
    Column("timeline", JSONB, nullable=False, comment="list of {at, what, by}, oldest first"),
    Column("answer", Text, comment="retry, mark_resolved or ignore"),
    Column("answered_by", Text),
    moment("opened_at"),
    moment("answered_at", nullable=True),
    moment("resolved_at", nullable=True),
    Index(
        "uq_incident_one_open", "dag_id", "task_id", "fault_class", unique=True, postgresql_where=text("state = 'open'")
    ),
    Index(None, "opened_at"),
)


@dataclass(frozen=True, kw_only=True)
class OpenedIncident:
    """An open incident; `is_new` tells whether this call opened it."""

    id: uuid.UUID
    is_new: bool


class Incidents:
    """Repository of incidents."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, strike: Strike, report: EscalationReport) -> OpenedIncident:
        """Open the incident for a strike, or join the one that is open for the same cause; idempotent."""
        target = strike.task_try
        affected = [{"run_id": target.run_id, "map_index": target.map_index}]
        statement = insert(INCIDENT).values(
            id=uuid.uuid4(),
            domain=strike.impact.domain,
            dag_id=target.dag_id,
            task_id=target.task_id,
            fault_class=strike.fault.fault_class,
            state="open",
            report=asdict(report),
            affected=affected,
            timeline=[_entry(strike.at, f"opened: {strike.reason}", "orbt")],
            opened_at=strike.at,
        )
        is_known = INCIDENT.c.affected.contains(statement.excluded.affected)
        joined = cast([_entry(strike.at, f"run {target.run_id} joined: {strike.reason}", "orbt")], JSONB)
        merged = statement.on_conflict_do_update(
            index_elements=["dag_id", "task_id", "fault_class"],
            index_where=text("state = 'open'"),
            set_={
                name: case((is_known, INCIDENT.c[name]), else_=INCIDENT.c[name].op("||")(more))
                for name, more in (("affected", statement.excluded.affected), ("timeline", joined))
            },
        ).returning(INCIDENT.c.id, text("(xmax = 0) AS is_new"))
        with self._engine.begin() as connection:
            row = connection.execute(merged).one()
        return OpenedIncident(id=row.id, is_new=row.is_new)

    def get(self, incident_id: uuid.UUID) -> Mapping[str, Any]:
        """One incident; columns of `incident`.

        Raises: ConfigError when there is none with this id.
        """
        found = self._rows(select(INCIDENT).where(INCIDENT.c.id == incident_id))
        if not found:
            raise ConfigError("there is no such incident", where="groundwork.incident", found=str(incident_id))
        return found[0]

    def latest(self, state: str | None = None, limit: int = 50) -> list[Mapping[str, Any]]:
        """The newest incidents first, of one state or of all; columns of `incident`."""
        query = select(INCIDENT).order_by(INCIDENT.c.opened_at.desc()).limit(limit)
        return self._rows(query if state is None else query.where(INCIDENT.c.state == state))

    def answer(self, incident_id: uuid.UUID, answer: Answer, answered_by: str) -> bool:
        """Record a person's decision; false when the incident was not open any more, and then nothing changes."""
        now = utc_now()
        return self._change(
            incident_id,
            from_state="open",
            what=f"answered: {answer}",
            by=answered_by,
            state="answered",
            answer=answer,
            answered_by=answered_by,
            answered_at=now,
        )

    def resolve(self, incident_id: uuid.UUID, what: str, by: str) -> bool:
        """Close an incident, open or answered; false when it was closed already."""
        return self._change(incident_id, from_state=None, what=what, by=by, state="resolved", resolved_at=utc_now())

    def note(self, incident_id: uuid.UUID, what: str, by: str) -> None:
        """Add a line to the timeline."""
        self._change(incident_id, from_state=None, what=what, by=by, is_closed_allowed=True)

    def answered_at(self, target: TaskTry) -> datetime | None:
        """When the last incident of this task instance stopped being open: its strikes count anew from then."""
        mine = [{"run_id": target.run_id, "map_index": target.map_index}]
        ended = func.max(func.coalesce(INCIDENT.c.answered_at, INCIDENT.c.resolved_at))
        query = select(ended.label("ended_at")).where(
            INCIDENT.c.dag_id == target.dag_id,
            INCIDENT.c.task_id == target.task_id,
            INCIDENT.c.state != "open",
            INCIDENT.c.affected.contains(mine),
        )
        found: datetime | None = self._rows(query)[0]["ended_at"]
        return found

    def unresolved_of(self, target: TaskTry) -> list[Mapping[str, Any]]:
        """Open and answered incidents that this task instance is part of; columns of `incident`."""
        mine = [{"run_id": target.run_id, "map_index": target.map_index}]
        return self._rows(
            select(INCIDENT).where(
                INCIDENT.c.dag_id == target.dag_id,
                INCIDENT.c.task_id == target.task_id,
                INCIDENT.c.state != "resolved",
                INCIDENT.c.affected.contains(mine),
            )
        )

    def _change(
        self,
        incident_id: uuid.UUID,
        *,
        from_state: str | None,
        what: str,
        by: str,
        is_closed_allowed: bool = False,
        **values: Any,
    ) -> bool:
        entry = cast([_entry(utc_now(), what, by)], JSONB)
        changed = INCIDENT.update().where(INCIDENT.c.id == incident_id)
        if from_state is not None:
            changed = changed.where(INCIDENT.c.state == from_state)
        elif not is_closed_allowed:
            changed = changed.where(INCIDENT.c.state != "resolved")
        with self._engine.begin() as connection:
            done = connection.execute(changed.values(timeline=INCIDENT.c.timeline.op("||")(entry), **values))
        return done.rowcount == 1

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _entry(at: datetime, what: str, by: str) -> dict[str, str]:
    return {"at": at.isoformat(), "what": what, "by": by}
