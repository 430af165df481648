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

from groundwork.model.alternative import Alternative, AlternativeKind, alternative_from, statement_digest
from groundwork.model.task_try import TaskTry

__all__ = [
    "UNKNOWN",
    "WORKER_LOST",
    "Alternative",
    "AlternativeKind",
    "Answer",
    "Change",
    "Circumstances",
    "EscalationReport",
    "Fault",
    "Impact",
    "RemedyResult",
    "Strike",
    "StrikeAction",
    "TaskTry",
    "Urgency",
    "alternative_from",
    "remedy_result_from_json",
    "statement_digest",
    "strike_from_json",
]

UNKNOWN = "unknown"  # no pattern matches
WORKER_LOST = "worker_lost"  # the process was killed: there is no exception to look at


class StrikeAction(StrEnum):
    """What follows a strike; `ask_and_retry`: the task tries on while a person is asked about what it works on."""

    RETRY = "retry"
    ASK_AND_RETRY = "ask_and_retry"
    ASK_PERSON = "ask_person"


class Answer(StrEnum):
    """What a person can decide about an incident."""

    RETRY = "retry"
    RETRY_ON_ALTERNATIVE = "retry_on_alternative"
    RUN_REMEDY = "run_remedy"
    SKIP = "skip"
    MARK_RESOLVED = "mark_resolved"
    SILENCE = "silence"
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
class Impact:
    """What a failed task holds up: the domain, the assets it would have refreshed, the tasks that wait; whose it is."""

    domain: str
    assets: tuple[str, ...] = ()
    downstream_tasks: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Where a task failed, as far as it is known: kind of engine (`postgresql`), connection, table, operator, and what
    was measured then (`groundwork.orbt.observations`). A guessed target is what the task works on mainly, where nothing
    tells that it was the one that failed.
    """

    engine: str | None = None
    target: str | None = None
    table: str | None = None
    operation: str | None = None
    observed: Mapping[str, float] | None = None
    is_target_guessed: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that a remedy changed: told to people by `what`; `facts` (JSON-ready) is all that undoing it needs."""

    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_undone: bool = False


@dataclass(frozen=True, kw_only=True)
class RemedyResult:
    """What one remedy did; `is_done` is false when it could not, and `report` says why.

    `asks_person`: it did its part, and only a person can do the rest.
    """

    remedy: str
    is_done: bool
    report: str
    seconds: float = 0.0
    changes: tuple[Change, ...] = ()
    alternative: Alternative | None = None
    asks_person: bool = False


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
            owners=tuple(impact.get("owners", ())),
        ),
        number=int(data["number"]),
        action=StrikeAction(data["action"]),
        reason=data["reason"],
        at=datetime.fromisoformat(data["at"]),
        delay_seconds=data["delay_seconds"],
        remedies=tuple(remedy_result_from_json(remedy) for remedy in data["remedies"]),
        circumstances=Circumstances(**data.get("circumstances") or {}),
    )


def remedy_result_from_json(data: Mapping[str, Any]) -> RemedyResult:
    """The result of which `dataclasses.asdict` gave this; raises as `strike_from_json` does."""
    alternative = data.get("alternative")
    return RemedyResult(
        remedy=data["remedy"],
        is_done=data["is_done"],
        report=data["report"],
        seconds=data.get("seconds", 0.0),
        changes=tuple(Change(**change) for change in data.get("changes", ())),
        alternative=Alternative(**{**alternative, "kind": AlternativeKind(alternative["kind"])})
        if alternative
        else None,
        asks_person=data.get("asks_person", False),
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
