"""What the pages about incidents show, as values; everything is plain text that the templates escape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from groundwork.model.incident import Severity, Stage
from groundwork.pages.block import Block, Problem
from groundwork.store.incident_list import IncidentTally

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

    `unreviewed` were critical, are over, and nobody has written them down; `oldest_at` is of those that wait. `of`
    counts all that somebody may see while only some are meant, else it is null.
    """

    waiting: IncidentList
    answered: IncidentList
    over: IncidentList
    unreviewed: int
    oldest_at: datetime | None
    of: IncidentTally | None


@dataclass(frozen=True, kw_only=True)
class ChosenList:
    """What the address asks for: one list alone, by its name, which page of it, and which incidents; null is all.

    `severity` is the least, `dag` is part of the incident, `owner` one of its owners.
    """

    name: ListName | None = None
    page: int = 1
    stage: Stage | None = None
    severity: Severity | None = None
    fault_class: str | None = None
    domain: str | None = None
    dag: str | None = None
    owner: str | None = None

    @property
    def narrowed(self) -> Mapping[str, str]:
        """What narrows the lists, as the address has it; without anything it is empty."""
        names = {"stage": self.stage, "severity": self.severity, "class": self.fault_class, "domain": self.domain}
        return {name: str(value) for name, value in {**names, "dag": self.dag, "owner": self.owner}.items() if value}

    def address(self, name: ListName | None, page: int = 1) -> str:
        """The query of the address that shows a list, or all of them, narrowed as this one is.

        >>> ChosenList(severity=Severity.HIGH, dag="a&b").address("waiting", 2)
        '?show=waiting&page=2&severity=high&dag=a%26b'
        """
        place = {"show": name, "page": page} if name else {}
        asked = {**place, **self.narrowed}
        return f"?{urlencode(asked)}" if asked else ""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of the form that narrows the lists; `chosen` is one of the options, or empty for all."""

    name: str
    words: str
    options: tuple[str, ...]
    chosen: str


@dataclass(frozen=True, kw_only=True)
class IncidentsPage:
    """The page `Incidents`; `figures` look back `days`."""

    chosen: ChosenList
    fields: tuple[Field, ...]
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
    """One answer that can be given; `choices` are remedies of run_remedy, `asks_twice` is what cannot be taken back."""

    name: str
    meaning: str
    is_recommended: bool
    asks_twice: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EarlierView:
    """An incident of the same cause that opened before; `ending` is what closed it, null while it is not over."""

    id: str
    stage: str
    answer: str | None
    answered_by: str | None
    opened_at: datetime
    ended_at: datetime | None
    ending: str | None


@dataclass(frozen=True, kw_only=True)
class IncidentPage:
    """One incident. `can_act` says whether who looks at it may answer; `row` holds the columns of `incident`.

    `ending` says how an answered incident closes; `is_tried_on` that its tasks try on while a person is asked;
    `earlier` are those of the same cause that who looks at it may see, newest first, `has_more` tells of older ones.
    """

    line: IncidentLine
    row: Mapping[str, Any]
    strikes: tuple[StrikeView, ...]
    answers: tuple[AnswerView, ...]
    can_act: bool
    ending: str | None
    is_tried_on: bool
    earlier: tuple[EarlierView, ...] = ()
    has_more: bool = False
    told: str | None = None
