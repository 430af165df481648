"""What the pages `Quality` and of one dataset show, as values. Beside `table_view`, which holds a table's summary.

Grain is told per class. Times are UTC, shares 0..1. Nothing here reads or renders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from groundwork.pages.block import Block, Problem
from groundwork.pages.table_view import QualityView

if TYPE_CHECKING:
    from groundwork.pages.health_view import StateView


@dataclass(frozen=True, kw_only=True)
class FindingView:
    """One check at its latest measurement.

    `sample` are failing rows as they are kept, masked; `trend` failing rows of the newest measurements, oldest first.
    """

    domain: str
    table: str
    check_id: str
    kind: str
    dimension: str
    severity: str
    engine: str
    passed: bool
    expected: str
    observed: str
    failing: int | None
    rows: int | None
    sample: tuple[Mapping[str, Any], ...]
    trend: tuple[int, ...]
    checked_at: datetime


@dataclass(frozen=True, kw_only=True)
class GateView:
    """One gate at its newest measurement in a release."""

    name: str
    passed: bool
    found: str
    next_step: str | None
    measured_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReleaseView:
    """The newest release of a domain; `state` is measuring, passed or blocked."""

    domain: str
    run_id: str
    state: str
    why: str | None
    decided_at: datetime | None
    gates: tuple[GateView, ...]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What the page is narrowed to; null stands for everything."""

    domain: str | None = None
    dimension: str | None = None
    only_failing: bool = False


@dataclass(frozen=True, kw_only=True)
class QualityPage:
    """Everything on the page `Quality`; `findings` are the failing checks.

    `linked` are the tables with a page of their own, as `domain.table`: those that a contract declares.
    """

    chosen: Filter
    domains: tuple[str, ...]
    linked: frozenset[str]
    problems: tuple[Problem, ...]
    tables: Block[tuple[QualityView, ...]]
    findings: Block[tuple[FindingView, ...]]
    releases: Block[tuple[ReleaseView, ...]]


@dataclass(frozen=True, kw_only=True)
class BooksView:
    """One load: read = loaded + updated + unchanged + quarantined + duplicates, in rows."""

    load_id: int
    run_id: str
    source: str
    mode: str
    state: str
    read: int
    loaded: int
    updated: int
    unchanged: int
    quarantined: int
    duplicates: int
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RejectedView:
    """One record in quarantine; `raw` is null for who may not see it."""

    load_id: int
    position: int
    reasons: tuple[str, ...]
    raw: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class QuarantineView:
    """What a table's quarantine holds: records in all, records per reason, and the newest of them."""

    total: int
    reasons: tuple[tuple[str, int], ...]
    newest: tuple[RejectedView, ...]


@dataclass(frozen=True, kw_only=True)
class FreshnessView:
    """How old a table may be and is, in seconds; null where nothing is promised or nothing was loaded."""

    promised_seconds: float | None
    age_seconds: float | None
    subject: str

    @property
    def is_kept(self) -> bool | None:
        """Whether the promise holds; null without a promise."""
        if self.promised_seconds is None:
            return None
        return self.age_seconds is not None and self.age_seconds <= self.promised_seconds


@dataclass(frozen=True, kw_only=True)
class DatasetPage:
    """Everything on the page of one table; `is_raw_shown` tells whether the reader sees quarantined records.

    `state` is null when it cannot be told.
    """

    domain: str
    schema: str
    table: str
    description: str | None
    problems: tuple[Problem, ...]
    is_raw_shown: bool
    quality: Block[QualityView]
    findings: Block[tuple[FindingView, ...]]
    loads: Block[tuple[BooksView, ...]]
    quarantine: Block[QuarantineView]
    freshness: Block[FreshnessView]
    state: StateView | None = None
