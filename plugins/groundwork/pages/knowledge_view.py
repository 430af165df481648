"""What the page `Knowledge` shows, as values. Times are UTC, shares 0..1. Nothing here reads or renders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from groundwork.pages.block import Block, Problem


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What the page is narrowed to; null stands for everything."""

    pattern: str | None = None
    table: str | None = None


@dataclass(frozen=True, kw_only=True)
class RemedyView:
    """One remedy against one class of faults, for faults of that class (in the chosen table).

    `low` and `high` bound the success rate, `rate` is the observed one; `count` trials, weighted `successes` of
    `trials`. `mark` is `proven`, `harmful`, `fails` or null; the middle two are anti-patterns.
    """

    pattern: str
    name: str
    low: float
    high: float
    rate: float
    successes: float
    trials: float
    count: int
    cost_seconds: float
    mark: str | None

    @property
    def is_anti_pattern(self) -> bool:
        """Whether it does not run by itself any more."""
        return self.mark in {"harmful", "fails"}


@dataclass(frozen=True, kw_only=True)
class SolutionView:
    """One thing that a strike tries; `remedy` is null when only a person can, `mark` as of the remedy."""

    name: str
    remedy: str | None
    mark: str | None


@dataclass(frozen=True, kw_only=True)
class PatternView:
    """One class of faults: how it is known, what is tried, when a person is asked at once. `trials` were made of it."""

    name: str
    description: str
    urgency: str
    is_retriable: bool
    signals: tuple[tuple[str, tuple[str, ...]], ...]
    strike_1: tuple[SolutionView, ...]
    strike_2: tuple[SolutionView, ...]
    triggers: tuple[str, ...]
    recommendations: tuple[str, ...]
    trials: int


@dataclass(frozen=True, kw_only=True)
class TrialView:
    """One remedy tried once; `message` is null when the reader may not see the Dag that it happened in."""

    origin: str
    pattern: str
    remedy: str
    verdict: str
    where: str | None
    message: str | None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class LessonView:
    """What a person said; `withdrawn_because` is null while it counts."""

    id: int
    pattern: str
    remedy: str
    verdict: str
    where: str | None
    strike_id: int | None
    note: str
    taught_by: str
    taught_at: datetime
    withdrawn_because: str | None


@dataclass(frozen=True, kw_only=True)
class KnowledgePage:
    """Everything on the page. `tables` are those that trials name, the most named first; `policies` are problems of
    files that healing stands on.
    """

    chosen: Chosen
    names: tuple[str, ...]
    tables: tuple[str, ...]
    problems: tuple[Problem, ...]
    patterns: Block[tuple[PatternView, ...]]
    remedies: Block[tuple[RemedyView, ...]]
    trials: Block[tuple[TrialView, ...]]
    lessons: Block[tuple[LessonView, ...]]
    policies: tuple[Problem, ...] = ()
