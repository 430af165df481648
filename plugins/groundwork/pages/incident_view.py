"""What the pages about incidents show, as values; everything is plain text that the templates escape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from groundwork.pages.block import Block, Problem

ListName = Literal["waiting", "answered", "over"]


@dataclass(frozen=True, kw_only=True)
class IncidentLine:
    """One incident in a list; `stage` is a word of `groundwork.model.incident.Stage`."""

    id: str
    subject: str
    domain: str
    fault_class: str
    severity: str
    urgency: str
    stage: str
    target: str | None
    affected: int
    level: int
    answer: str | None
    opened_at: datetime
    ended_at: datetime | None
    silenced_until: datetime | None
    needs_review: bool


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How one fault class went in the last days; times in seconds, shares 0 to 1, null without any."""

    fault_class: str
    incidents: int
    open: int
    mtta_seconds: float | None
    mttr_seconds: float | None
    struck: int
    healed: float | None


@dataclass(frozen=True, kw_only=True)
class IncidentList:
    """One page of a list, of the `total` incidents in it that somebody may see; `page` counts from 1."""

    lines: tuple[IncidentLine, ...]
    total: int
    page: int
    pages: int
    before: int

    @property
    def left(self) -> int:
        """How many follow on later pages."""
        return max(self.total - self.before - len(self.lines), 0)


@dataclass(frozen=True, kw_only=True)
class IncidentLists:
    """The incidents that somebody may see, by what has to be done about them.

    `unreviewed` were critical, are over, and nobody has written them down; `oldest_at` is of those that wait.
    """

    waiting: IncidentList
    answered: IncidentList
    over: IncidentList
    unreviewed: int
    oldest_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ChosenList:
    """What the address asks for: one list alone, by its name, and which page of it."""

    name: ListName | None = None
    page: int = 1


@dataclass(frozen=True, kw_only=True)
class IncidentsPage:
    """The page `Incidents`; `figures` look back `days`."""

    chosen: ChosenList
    problems: tuple[Problem, ...]
    lists: Block[IncidentLists]
    figures: Block[tuple[ClassFigures, ...]]
    days: int


@dataclass(frozen=True, kw_only=True)
class RemedyView:
    """What one remedy did in a strike."""

    name: str
    is_done: bool
    report: str
    seconds: float
    changes: tuple[tuple[str, bool, Mapping[str, Any]], ...]  # what, whether it was undone, facts


@dataclass(frozen=True, kw_only=True)
class StrikeView:
    """One strike of a task instance."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    number: int
    action: str
    fault_class: str
    sqlstate: str | None
    exception: str
    message: str
    reason: str
    outcome: str
    struck_at: datetime
    remedies: tuple[RemedyView, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """One answer that can be given; `choices` are the remedies of run_remedy."""

    name: str
    meaning: str
    is_recommended: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IncidentPage:
    """One incident. `can_act` says whether who looks at it may answer; `row` holds the columns of `incident`.

    `ending` says how an answered incident closes; `is_tried_on` that its tasks try on while a person is asked.
    """

    line: IncidentLine
    row: Mapping[str, Any]
    strikes: tuple[StrikeView, ...]
    answers: tuple[AnswerView, ...]
    can_act: bool
    ending: str | None
    is_tried_on: bool
    told: str | None = None
