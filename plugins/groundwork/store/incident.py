"""Incidents: what ORBT could not mend by itself, the report for a person, and what the person decided.

Grain: one open row per `cause`: everything that fails because one target is away is one incident, however many tasks
it hits; other failures are one per (Dag, task, fault class). Further task instances join the open incident in
`affected`. Once answered it stays as it is and a new failure opens another, unless the cause is silenced: then the
silenced incident counts it. How an incident becomes older is in `incident_life`, what lists show in `incident_list`.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, func, or_, select

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, TaskTry
from groundwork.model.incident import Opening, Severity
from groundwork.store.incident_life import IncidentLife
from groundwork.store.incident_list import (
    IncidentChoices,
    IncidentFilter,
    IncidentTally,
    choices_query,
    dags_query,
    matches,
    order,
    tally_query,
)
from groundwork.store.incident_reopening import lock_cause
from groundwork.store.incident_table import INCIDENT, address, affects, entry

_MOST_JOINS_TOLD = 200  # lines of the timeline about task instances that joined; all of them are in `affected`


@dataclass(frozen=True, kw_only=True)
class OpenedIncident:
    """An open incident; `is_new` tells whether this call opened it.

    `is_silenced`: a person wants to hear nothing of this cause for now, so nothing was opened. `affected` counts the
    task instances in it, `severity` is the one it has now.
    """

    id: uuid.UUID
    is_new: bool
    is_silenced: bool = False
    affected: int = 1
    severity: Severity = Severity.MEDIUM


class Incidents(IncidentLife):
    """Repository of incidents; the steps of their life are inherited."""

    def open(self, opening: Opening) -> OpenedIncident:
        """Open an incident, or join the one of the same cause that is open or silenced; idempotent.

        Callers of one cause go one after the other, on a lock of that cause that ends with the transaction.
        """
        with self._engine.begin() as connection:
            lock_cause(connection, opening.cause)
            known = _unanswered_or_silenced(connection, opening)
            return _join(connection, known, opening) if known is not None else _insert(connection, opening)

    def get(self, incident_id: uuid.UUID) -> Mapping[str, Any]:
        """One incident; columns of `incident`.

        Raises: ConfigError when there is none with this id.
        """
        found = self.find(incident_id)
        if found is None:
            raise ConfigError("there is no such incident", where="groundwork.incident", found=str(incident_id))
        return found

    def find(self, incident_id: uuid.UUID) -> Mapping[str, Any] | None:
        """One incident, or null when there is none with this id; columns of `incident`."""
        found = self._rows(select(INCIDENT).where(INCIDENT.c.id == incident_id))
        return found[0] if found else None

    def with_prefix(self, prefix: str) -> list[Mapping[str, Any]]:
        """Incidents whose id begins with `prefix` (hexadecimal digits), at most ten; columns of `incident`."""
        is_like = cast(INCIDENT.c.id, Text).startswith(prefix, autoescape=True)
        return self._rows(select(INCIDENT).where(is_like).limit(10))

    def latest(self, state: str | None = None, limit: int = 50) -> list[Mapping[str, Any]]:
        """The newest incidents first, of one state or of all; columns of `incident`.

        `open` are those that nobody has answered, acknowledged or not.
        """
        query = select(INCIDENT).order_by(INCIDENT.c.opened_at.desc()).limit(limit)
        return self._rows(query if state is None else query.where(INCIDENT.c.state == state))

    def listed(self, chosen: IncidentFilter, limit: int, offset: int = 0) -> list[Mapping[str, Any]]:
        """Incidents that are meant, in the order of `incident_list`; columns of `incident`."""
        query = select(INCIDENT).where(matches(chosen)).order_by(*order())
        return self._rows(query.limit(limit).offset(offset))

    def count(self, chosen: IncidentFilter) -> int:
        """How many incidents are meant."""
        found: int = self._rows(select(func.count().label("count")).select_from(INCIDENT).where(matches(chosen)))[0][
            "count"
        ]
        return found

    def tally(self, chosen: IncidentFilter | None = None) -> IncidentTally:
        """How many incidents are meant, by what has to be done about them; null means all."""
        return IncidentTally(**self._rows(tally_query(chosen or IncidentFilter()))[0])

    def choices(self, dags: Collection[str] | None = None) -> IncidentChoices:
        """What incidents can be chosen by, of those that readers of these Dags may see; null means of all."""
        found = self._rows(choices_query(dags))[0]
        return IncidentChoices(**{name: tuple(sorted(map(str, values or ()))) for name, values in found.items()})

    def before(
        self, incident: Mapping[str, Any], limit: int, dags: Collection[str] | None = None
    ) -> list[Mapping[str, Any]]:
        """Incidents of the same cause that opened before this one (a row of `incident`), the newest first.

        Null `dags`: of whoever may see all. Columns of `incident`.
        """
        column, at = INCIDENT.c, incident["opened_at"]
        is_older = or_(column.opened_at < at, and_(column.opened_at == at, column.id < incident["id"]))
        is_same = and_(column.cause == incident["cause"], is_older, matches(IncidentFilter(dags=dags)))
        query = select(INCIDENT).where(is_same).order_by(column.opened_at.desc(), column.id.desc())
        return self._rows(query.limit(limit))

    def dags(self) -> frozenset[str]:
        """Ids of the Dags that are part of any incident."""
        return frozenset(row["dag_id"] for row in self._rows(dags_query()))

    def unsettled(self, limit: int = 100) -> list[Mapping[str, Any]]:
        """Incidents that were answered or resolved while the run that asks still waits, oldest first."""
        query = select(INCIDENT).where(INCIDENT.c.state != "open", INCIDENT.c.settled_at.is_(None))
        return self._rows(query.order_by(INCIDENT.c.opened_at).limit(limit))

    def silenced_before(self, now: datetime, limit: int = 100) -> list[Mapping[str, Any]]:
        """Incidents whose answer was a silence that is over by now, oldest first; columns of `incident`."""
        query = select(INCIDENT).where(INCIDENT.c.state == "answered", INCIDENT.c.answer == Answer.SILENCE)
        is_over = or_(INCIDENT.c.silenced_until.is_(None), INCIDENT.c.silenced_until <= now)
        return self._rows(query.where(is_over).order_by(INCIDENT.c.opened_at).limit(limit))

    def unanswered_of(self, cause: str) -> Mapping[str, Any] | None:
        """The open incident of a cause, or null; columns of `incident`."""
        found = self._rows(select(INCIDENT).where(INCIDENT.c.cause == cause, INCIDENT.c.state == "open"))
        return found[0] if found else None

    def is_told(self, cause: str, at: datetime) -> bool:
        """Whether an incident of a cause is open, or its silence lasts at that moment."""
        query = select(INCIDENT.c.id).where(INCIDENT.c.cause == cause)
        return bool(self._rows(query.where(or_(INCIDENT.c.state == "open", INCIDENT.c.silenced_until > at)).limit(1)))

    def answered_at(self, target: TaskTry) -> datetime | None:
        """When the last incident of this task instance stopped being open: its strikes count anew from then."""
        ended = func.max(func.coalesce(INCIDENT.c.answered_at, INCIDENT.c.resolved_at))
        query = select(ended.label("ended_at")).where(INCIDENT.c.state != "open", affects(target))
        found: datetime | None = self._rows(query)[0]["ended_at"]
        return found

    def unresolved_of(self, target: TaskTry) -> list[Mapping[str, Any]]:
        """Open and answered incidents that this task instance is part of; columns of `incident`."""
        return self._rows(select(INCIDENT).where(INCIDENT.c.state != "resolved", affects(target)))

    def figures(self, since: datetime) -> list[Mapping[str, Any]]:
        """Per fault class since then: incidents, mean times in seconds, share that healed; see `incident_figures`."""
        from groundwork.store.incident_figures import figures

        return figures(self._engine, since)

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _unanswered_or_silenced(connection: Connection, opening: Opening) -> Mapping[str, Any] | None:
    """The incident that a failure of this cause belongs to, locked: the open one before a silenced one."""
    query = (
        select(INCIDENT)
        .where(INCIDENT.c.cause == opening.cause)
        .where(or_(INCIDENT.c.state == "open", INCIDENT.c.silenced_until > opening.at))
        .order_by((INCIDENT.c.state == "open").desc(), INCIDENT.c.opened_at.desc())
        .limit(1)
        .with_for_update()
    )
    found = connection.execute(query).mappings().first()
    return dict(found) if found is not None else None


def _join(connection: Connection, known: Mapping[str, Any], opening: Opening) -> OpenedIncident:
    """Add a task instance to an incident; one that failed again after it had succeeded counts as failed again."""
    is_silenced = known["silenced_until"] is not None and known["silenced_until"] > opening.at
    affected, changes = [dict(each) for each in known["affected"]], dict[str, Any]()
    if opening.task_try is not None:
        mine = address(opening.task_try)
        others = [each for each in affected if address(each) != mine]
        if mine not in affected:
            changes["affected"] = affected = [*others, mine]
            changes["timeline"] = _with_join(known["timeline"], opening)
    if is_silenced:
        changes["silenced_strikes"] = known["silenced_strikes"] + 1
    if opening.evidence:
        new = [dict(each) for each in opening.evidence if dict(each) not in known["evidence"]]
        changes["evidence"] = [*known["evidence"], *new]
    if changes:
        connection.execute(INCIDENT.update().where(INCIDENT.c.id == known["id"]).values(**changes))
    return OpenedIncident(
        id=known["id"],
        is_new=False,
        is_silenced=is_silenced and known["state"] != "open",
        affected=len(affected),
        severity=Severity(known["severity"]),
    )


def _with_join(timeline: Sequence[Mapping[str, str]], opening: Opening) -> list[Mapping[str, str]]:
    if len(timeline) > _MOST_JOINS_TOLD:
        return list(timeline)
    task_try = opening.task_try
    assert task_try is not None  # noqa: S101  a join without a task has no line of its own
    mapped = f"[{task_try.map_index}]" if task_try.map_index >= 0 else ""
    what = f"{task_try.dag_id} / {task_try.task_id}{mapped}, run {task_try.run_id}, joined: {opening.what}"
    return [*timeline, entry(opening.at, what, opening.by)]


def _insert(connection: Connection, opening: Opening) -> OpenedIncident:
    first, assessment = opening.task_try, asdict(opening.assessment)
    severity = assessment.pop("severity")
    assessment["opened_as"] = str(severity)
    incident_id = uuid.uuid4()
    values = {
        "id": incident_id,
        "cause": opening.cause,
        "domain": opening.report.domain,
        "subject": opening.subject or (f"{first.dag_id} / {first.task_id}" if first else opening.cause),
        "dag_id": first.dag_id if first else None,
        "task_id": first.task_id if first else None,
        "target": opening.target,
        "fault_class": opening.fault_class,
        "state": "open",
        "severity": str(severity),
        "report": asdict(opening.report),
        "assessment": assessment,
        "evidence": [dict(each) for each in opening.evidence],
        "affected": [address(first)] if first else [],
        "timeline": [entry(opening.at, f"opened: {opening.what}", opening.by)],
        "opened_at": opening.at,
    }
    connection.execute(INCIDENT.insert().values(**values))
    return OpenedIncident(id=incident_id, is_new=True, severity=severity)
