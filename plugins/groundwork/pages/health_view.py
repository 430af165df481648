"""What the page `Health` and the page of one pipeline show, as values.

Grain is told per class. Times are UTC, shares 0..1, scores 0..100. Nothing here reads or renders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from groundwork.orbt.health.score import Part
from groundwork.pages.block import Block, Problem

POOR = 70  # a score below is poor: somebody should look


@dataclass(frozen=True, kw_only=True)
class WarningView:
    """One early warning; `forecast_at` is when its limit is reached at that pace, null without a forecast."""

    subject: str
    metric: str
    kind: str
    told: str
    first_seen_at: datetime
    cleared_at: datetime | None
    forecast_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class SeriesView:
    """One metric of a subject, oldest value first; `moments` are when the values were measured."""

    subject: str
    metric: str
    words: str
    unit: str
    values: tuple[float, ...]
    moments: tuple[datetime, ...]
    limit: float | None
    newest: str


@dataclass(frozen=True, kw_only=True)
class StateView:
    """The state of one dataset or pipeline, and why."""

    subject: str
    state: str
    reason: str
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class PipelineLine:
    """One pipeline; `breaker` is `closed`, `half-open` or `open`, the worst of what it uses.

    `trend` is the series that tells most of it: durations, or the lag of a stream; null before anything was measured.
    """

    name: str
    dag_id: str
    domain: str
    kind: str
    datasets: tuple[str, ...]
    state: StateView
    score: float | None
    parts: tuple[Part, ...]
    breaker: str
    breakers: Mapping[str, str]
    warnings: tuple[WarningView, ...]
    trend: SeriesView | None
    series: tuple[SeriesView, ...]

    @property
    def rank(self) -> int:
        """How soon somebody should look: 0 in repair, 1 shut off or scored poorly, 2 everything else."""
        if self.state.state == "repair":
            return 0
        return 1 if self.breaker != "closed" or (self.score is not None and self.score < POOR) else 2

    @property
    def needs_somebody(self) -> bool:
        """Whether it is in repair, shut off, scored poorly or warned of."""
        return self.rank < 2 or bool(self.warnings)


@dataclass(frozen=True, kw_only=True)
class BreakerView:
    """One breaker that is not closed; `next_probe_at` is null when a probe is under way or a person has to close it."""

    target: str
    state: str
    since: datetime | None
    reason: str
    next_probe_at: datetime | None
    is_held: bool


@dataclass(frozen=True, kw_only=True)
class HealthPage:
    """Everything on the page `Health`; `surroundings` are databases, disks and replication slots, `policies` problems
    of files that healing stands on. `breakers` are all that are not closed, also of connections that no contract names.
    `is_narrowed`: only pipelines and datasets that need somebody are shown; `datasets` are all the same.
    """

    problems: tuple[Problem, ...]
    breakers: Block[tuple[BreakerView, ...]]
    pipelines: Block[tuple[PipelineLine, ...]]
    datasets: Block[tuple[StateView, ...]]
    warnings: Block[tuple[WarningView, ...]]
    surroundings: Block[tuple[SeriesView, ...]]
    policies: tuple[Problem, ...] = ()
    is_narrowed: bool = False

    def count(self, state: str) -> int:
        """How many datasets are in a state."""
        return sum(each.state == state for each in self.datasets.content or ())

    @property
    def shown_pipelines(self) -> tuple[PipelineLine, ...]:
        """Those in repair first, then what is shut off or scored poorly, then by name."""
        lines = [each for each in self.pipelines.content or () if each.needs_somebody or not self.is_narrowed]
        return tuple(sorted(lines, key=lambda line: (line.rank, line.name)))

    @property
    def shown_datasets(self) -> tuple[StateView, ...]:
        """All, or those in repair."""
        return tuple(each for each in self.datasets.content or () if each.state == "repair" or not self.is_narrowed)


@dataclass(frozen=True, kw_only=True)
class PipelinePage:
    """Everything on the page of one pipeline; `history` are its warnings that were cleared, newest first."""

    problems: tuple[Problem, ...]
    line: PipelineLine
    datasets: tuple[StateView, ...]
    history: tuple[WarningView, ...]
