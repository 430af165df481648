"""Faults, strikes and escalation reports: what ORBT knows about a failure, in values that rooms exchange.

A *fault class* is the name of an error pattern (`governance/patterns`), an open vocabulary because teams add their own;
the two names here are the ones that code itself has to know. Every text in these values is already redacted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

UNKNOWN = "unknown"  # no pattern matches
WORKER_LOST = "worker_lost"  # the process was killed: there is no exception to look at


class StrikeAction(StrEnum):
    """What follows a strike."""

    RETRY = "retry"
    ASK_PERSON = "ask_person"


class Answer(StrEnum):
    """What a person can decide about an incident."""

    RETRY = "retry"
    MARK_RESOLVED = "mark_resolved"
    IGNORE = "ignore"


class Urgency(StrEnum):
    """How soon somebody should look, from least to most pressing."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One failure after classification; `exception` is the qualified class that gave the signal."""

    fault_class: str
    exception: str
    message: str
    sqlstate: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskTry:
    """One try of one task instance; `map_index` is -1 when the task is not mapped, tries count from 1."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What a failed task holds up: the domain, the assets it would have refreshed, the tasks that wait for it."""

    domain: str
    assets: tuple[str, ...] = ()
    downstream_tasks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Where a task failed, as far as it is known: kind of engine (`postgresql`), connection, table, operator."""

    engine: str | None = None
    target: str | None = None
    table: str | None = None
    operation: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemedyResult:
    """What one remedy did; `is_done` is false when it could not, and `report` says why."""

    remedy: str
    is_done: bool
    report: str
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One counted failure with what was done about it; `delay_seconds` is null unless the task is retried."""

    task_try: TaskTry
    fault: Fault
    impact: Impact
    number: int
    action: StrikeAction
    reason: str
    at: datetime
    delay_seconds: float | None = None
    remedies: tuple[RemedyResult, ...] = ()
    circumstances: Circumstances = Circumstances()

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form that `strike_from_json` reads back."""
        return {**asdict(self), "at": self.at.isoformat()}


def strike_from_json(data: Mapping[str, Any]) -> Strike:
    """The strike that `Strike.to_json` wrote.

    Raises: KeyError, TypeError or ValueError when it is not one.
    """
    impact = dict(data["impact"])
    return Strike(
        task_try=TaskTry(**data["task_try"]),
        fault=Fault(**data["fault"]),
        impact=Impact(
            domain=impact["domain"],
            assets=tuple(impact["assets"]),
            downstream_tasks=tuple(impact["downstream_tasks"]),
        ),
        number=int(data["number"]),
        action=StrikeAction(data["action"]),
        reason=data["reason"],
        at=datetime.fromisoformat(data["at"]),
        delay_seconds=data["delay_seconds"],
        remedies=tuple(RemedyResult(**remedy) for remedy in data["remedies"]),
        circumstances=Circumstances(**data.get("circumstances") or {}),
    )


@dataclass(frozen=True, kw_only=True)
class EscalationReport:
    """What a person reads before deciding; the fields are those of requirement O5, no more and no fewer."""

    domain: str
    issue_type: str
    business_impact: str
    attempted_solutions: tuple[str, ...] = field(default=())
    specialist_recommendations: tuple[str, ...] = field(default=())
    cross_domain_impact: str
    recommended_action: Answer
    urgency_level: Urgency
