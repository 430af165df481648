"""How an incident becomes older: acknowledged, silenced, answered, escalated on, carried out, resolved, reviewed.

Each step adds a line to the timeline in the same transaction and says whether anything changed; a step that was done
already changes nothing, so that all of them may be repeated. Opened again (`incident_reopening`) it begins anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, cast, select
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, TaskTry
from groundwork.model.incident import Severity
from groundwork.store.base import utc_now
from groundwork.store.incident_reopening import Reopening, lock_cause, reopen
from groundwork.store.incident_table import INCIDENT, address, affects, entry

COMMENT = "comment: "  # how lines of a timeline begin that people wrote
_Change = Callable[[Mapping[str, Any]], dict[str, Any] | None]  # columns to set for a locked row; null: nothing


class IncidentLife:
    """The steps of incidents. `incident_id` that nobody knows raises ConfigError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def acknowledge(self, incident_id: uuid.UUID, by: str) -> bool:
        """Somebody looks at it; false when it was answered or somebody had taken it on."""

        def change(row: Mapping[str, Any]) -> dict[str, Any] | None:
            if row["state"] != "open" or row["acknowledged_at"]:
                return None
            return {"acknowledged_at": utc_now(), "acknowledged_by": by}

        return self._step(incident_id, change, "acknowledged", by)

    def answer(self, incident_id: uuid.UUID, answer: Answer, by: str, **details: Any) -> bool:
        """Record a person's decision; false when the incident was not open any more, and then nothing changes.

        `details`: `remedy` of run_remedy, `silenced_until` (datetime) of silence.
        """
        until: datetime | None = details.get("silenced_until")

        def change(row: Mapping[str, Any]) -> dict[str, Any] | None:
            if row["state"] != "open":
                return None
            told = {name: str(value) for name, value in details.items() if value is not None}
            values = {"state": "answered", "answer": answer, "answered_by": by, "answered_at": utc_now()}
            return {**values, "answer_details": told, "silenced_until": until}

        more = "".join(f", {name} {value}" for name, value in details.items() if value is not None)
        return self._step(incident_id, change, f"answered: {answer}{more}", by)

    def silence(self, incident_id: uuid.UUID, until: datetime | None, by: str) -> bool:
        """Open nothing more for the cause until then; null ends a silence. Of an open incident `answer` does it."""
        what = f"silenced until {until:%Y-%m-%d %H:%M} UTC" if until else "the silence was ended"

        def change(row: Mapping[str, Any]) -> dict[str, Any] | None:
            is_same = row["state"] == "open" or row["silenced_until"] == until
            return None if is_same else {"silenced_until": until}

        return self._step(incident_id, change, what, by)

    def resolve(self, incident_id: uuid.UUID, what: str, by: str) -> bool:
        """Close an incident, open or answered; false when it was closed already."""
        return self._step(
            incident_id,
            lambda row: {"state": "resolved", "resolved_at": utc_now()} if row["state"] != "resolved" else None,
            what,
            by,
        )

    def review(self, incident_id: uuid.UUID, review: Mapping[str, str], by: str) -> bool:
        """Keep what happened, the cause and what is changed; false when it is not over. A later review replaces it."""

        def change(row: Mapping[str, Any]) -> dict[str, Any] | None:
            if row["state"] != "resolved" or row["review"] == dict(review):
                return None
            return {"review": dict(review), "reviewed_by": by, "reviewed_at": utc_now()}

        return self._step(incident_id, change, "reviewed", by)

    def reopen(self, incident_id: uuid.UUID, why: str, by: str) -> Reopening:
        """Open a closed incident again; not done when it is not over, or another one of its cause is open."""
        with self._engine.begin() as connection:
            cause = connection.execute(select(INCIDENT.c.cause).where(INCIDENT.c.id == incident_id)).scalar()
            if cause is not None:
                lock_cause(connection, cause)
            return reopen(connection, _locked(connection, incident_id), why, by)

    def comment(self, incident_id: uuid.UUID, text: str, by: str) -> bool:
        """Somebody says something, in any stage; false when the same person said the same last."""
        what = f"{COMMENT}{text}"

        def change(row: Mapping[str, Any]) -> dict[str, Any] | None:
            last = row["timeline"][-1] if row["timeline"] else {}
            return None if (last.get("what"), last.get("by")) == (what, by) else {}

        return self._step(incident_id, change, what, by)

    def note(self, incident_id: uuid.UUID, what: str, by: str) -> None:
        """Add a line to the timeline."""
        self._step(incident_id, lambda _: {}, what, by)

    def raise_level(self, incident_id: uuid.UUID, level: int, what: str) -> bool:
        """Escalate an unanswered incident on to `level`; false when it was answered or is there already."""
        return self._step(
            incident_id, lambda row: {"level": level} if row["state"] == "open" and row["level"] < level else None, what
        )

    def raise_severity(self, incident_id: uuid.UUID, severity: Severity, reason: str) -> bool:
        """Make an open incident worse, with its reason; the report's urgency is at least the severity."""

        def change(row: Mapping[str, Any]) -> dict[str, Any] | None:
            if row["state"] != "open" or Severity(row["severity"]).rank >= severity.rank:
                return None
            report, assessment = dict(row["report"]), dict(row["assessment"])
            if Severity(report["urgency_level"]).rank < severity.rank:
                report["urgency_level"] = str(severity)
            assessment["reasons"] = [*assessment.get("reasons", ()), reason]
            return {"severity": str(severity), "report": report, "assessment": assessment}

        return self._step(incident_id, change, f"severity {severity}: {reason}")

    def progress(self, incident_id: uuid.UUID, step: str, facts: Any) -> None:
        """Keep how far the answer is carried out: JSON-ready facts of one step, a later word replaces an earlier."""
        self._step(incident_id, lambda row: {"progress": {**row["progress"], step: facts}}, None)

    def settled(self, incident_id: uuid.UUID, what: str | None = None) -> bool:
        """The run that asked a person has ended; false when that was known."""
        return self._step(
            incident_id, lambda row: {"settled_at": utc_now()} if row["settled_at"] is None else None, what
        )

    def succeeded(self, task_try: TaskTry) -> list[uuid.UUID]:
        """A task instance succeeded: incidents close in which every task instance has; their ids."""
        resolved = []
        with self._engine.begin() as connection:
            query = select(INCIDENT).where(INCIDENT.c.state != "resolved", affects(task_try)).order_by(INCIDENT.c.id)
            for row in connection.execute(query.with_for_update()).mappings().all():
                values = _with_success(dict(row), task_try)
                connection.execute(INCIDENT.update().where(INCIDENT.c.id == row["id"]).values(**values))
                if values.get("state") == "resolved":
                    resolved.append(row["id"])
        return resolved

    def _step(self, incident_id: uuid.UUID, change: _Change, what: str | None, by: str = "orbt") -> bool:
        with self._engine.begin() as connection:
            values = change(_locked(connection, incident_id))
            if values is None:
                return False
            if what is not None:
                added = cast([entry(utc_now(), what, by)], JSONB)
                values["timeline"] = INCIDENT.c.timeline.op("||")(added)
            connection.execute(INCIDENT.update().where(INCIDENT.c.id == incident_id).values(**values))
        return True


def _locked(connection: Connection, incident_id: uuid.UUID) -> Mapping[str, Any]:
    query = select(INCIDENT).where(INCIDENT.c.id == incident_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise ConfigError("there is no such incident", where="groundwork.incident", found=str(incident_id))
    return dict(row)


def _with_success(row: Mapping[str, Any], task_try: TaskTry) -> dict[str, Any]:
    """The columns after a task instance succeeded."""
    now, mine = utc_now(), address(task_try)
    affected = [
        {**each, "succeeded_at": now.isoformat()} if address(each) == mine else dict(each) for each in row["affected"]
    ]
    left = sum("succeeded_at" not in each for each in affected)
    what = f"{task_try.dag_id} / {task_try.task_id}, run {task_try.run_id}, succeeded on try {task_try.try_number}"
    told = f"{what}; {left} task instance(s) left" if left else what
    values: dict[str, Any] = {"affected": affected, "timeline": [*row["timeline"], entry(now, told, "orbt")]}
    return values if left else {**values, "state": "resolved", "resolved_at": now}
