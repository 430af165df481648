"""Incidents in values that rooms exchange: how bad one is and why, what opens it, and where it stands in its life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from groundwork.model.fault import EscalationReport, TaskTry


class Severity(StrEnum):
    """How much an incident harms, from least to most; how soon somebody should look is `fault.Urgency`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least harmful."""
        return list(Severity).index(self)

    def raised(self, steps: int = 1) -> Severity:
        """The severity so many steps up, at most the worst.

        >>> Severity.MEDIUM.raised(5)
        <Severity.CRITICAL: 'critical'>
        """
        known = list(Severity)
        return known[min(self.rank + steps, len(known) - 1)]


class Stage(StrEnum):
    """Where an incident stands: the state in the store is told apart by whether somebody took it on or reviewed it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    REVIEWED = "reviewed"


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """How bad an incident is, why, and who has to do with it; every tuple is what was found, in words for people."""

    severity: Severity
    reasons: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()
    promises: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What opens an incident or joins the open one of the same `cause`.

    `task_try` is null when no task failed (an alarm over what is in the store). `what` goes to the timeline.
    `evidence` are JSON-ready mappings with at least `title` and `content`, masked.
    """

    cause: str
    fault_class: str
    report: EscalationReport
    assessment: Assessment
    what: str
    at: datetime
    task_try: TaskTry | None = None
    target: str | None = None
    subject: str | None = None
    by: str = "orbt"
    evidence: Sequence[Mapping[str, Any]] = field(default=())


def stage_of(row: Mapping[str, Any]) -> Stage:
    """The stage of a row of `incident`."""
    if row["state"] == "open":
        return Stage.ACKNOWLEDGED if row["acknowledged_at"] else Stage.OPEN
    if row["state"] == "resolved":
        return Stage.REVIEWED if row["reviewed_at"] else Stage.RESOLVED
    return Stage.ANSWERED


def open_since(row: Mapping[str, Any]) -> datetime:
    """When an incident (a row of `incident`) was opened the last time."""
    found: datetime = row.get("reopened_at") or row["opened_at"]
    return found


def is_asked(row: Mapping[str, Any]) -> bool:
    """Whether Airflow has asked about an incident (a row of `incident`) since it was opened the last time."""
    return not row["reopenings"] or "offered" in row["progress"]


def ending_of(row: Mapping[str, Any]) -> str | None:
    """What closed an incident (a row of `incident`), as its timeline tells; null while it is not over."""
    if row["resolved_at"] is None:
        return None
    words = (str(each["what"]) for each in row["timeline"] if datetime.fromisoformat(each["at"]) >= row["resolved_at"])
    return next(words, None)


def needs_review(row: Mapping[str, Any]) -> bool:
    """Whether an incident (a row of `incident`) is over, was critical, and nobody has written down what happened."""
    return stage_of(row) is Stage.RESOLVED and row["severity"] == Severity.CRITICAL
