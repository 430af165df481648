"""What the pages show of tables, as values: quality, origin, shape. Beside `view`, which holds everything else.

Grain is told per class. Times are UTC, shares 0..1. Nothing here reads or renders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from groundwork.pages.block import Problem


@dataclass(frozen=True, kw_only=True)
class QualityView:
    """Quality of one table at its latest measurement; `trend` is the score over time, oldest first.

    The score is null, and a dimension missing, when nothing was measured.
    """

    domain: str
    table: str
    score: float | None
    dimensions: Mapping[str, float]
    passed: int
    failed: int
    trend: tuple[float, ...]
    measured_at: datetime


@dataclass(frozen=True, kw_only=True)
class OriginView:
    """Where one table's rows come from, and the books of its latest load; the counts are rows."""

    domain: str
    table: str
    kind: str
    origin: str
    load: LoadView | None = None


@dataclass(frozen=True, kw_only=True)
class LoadView:
    """One load's books: read = loaded + updated + unchanged + quarantined + duplicates."""

    state: str
    read: int
    loaded: int
    updated: int
    unchanged: int
    quarantined: int
    duplicates: int
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class LiveView:
    """One table as the server's statistics see it; `rows` is an estimate, `bytes` include indexes and partitions."""

    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class CheckView:
    """The latest result of one check."""

    name: str
    passed: bool
    observed: str
    severity: str


@dataclass(frozen=True, kw_only=True)
class ColumnView:
    """One declared column; `key_position` counts from 1 within the primary key."""

    name: str
    type: str
    is_required: bool
    key_position: int | None
    classification: str | None
    personal_data: str | None
    description: str | None


@dataclass(frozen=True, kw_only=True)
class TableView:
    """One declared table with what is known of the live one.

    `references` are (columns, target), `indexes` (name, keys, reason), `patterns` (name, query).
    """

    name: str
    schema: str
    description: str | None
    grain: str | None
    tags: tuple[str, ...]
    columns: tuple[ColumnView, ...]
    references: tuple[tuple[str, str], ...]
    indexes: tuple[tuple[str, str, str | None], ...]
    patterns: tuple[tuple[str, str], ...]
    partitioning: str | None
    retention: str | None
    live: LiveView | None = None
    load: LoadView | None = None
    quality: QualityView | None = None
    checks: tuple[CheckView, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DomainPage:
    """Everything on a domain's page."""

    name: str
    purposes: tuple[str, ...]
    problems: tuple[Problem, ...]
    tables: tuple[TableView, ...]
