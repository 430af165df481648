"""States, measurements and early warnings of pipelines and datasets, in values that rooms exchange.

A *subject* is what is watched: a dataset (`schema.table`), a pipeline (its Dag's id; `data_foundation.<domain>` for the
foundation of a domain), a stream (`stream:<domain>.<connection>`), a database (`database:<connection>`), a replication
slot (`slot:<connection>/<name>`) or a disk (`disk:<place>`). Times are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What a dataset or pipeline is in, the most pressing first."""

    REPAIR = "repair"
    BUILD = "build"
    TRAINING = "training"
    OPERATING = "operating"


class WarningKind(StrEnum):
    """What was seen in a series."""

    LIMIT = "limit"
    TREND = "trend"
    STEP = "step"


@dataclass(frozen=True, kw_only=True)
class Situation:
    """The state of one subject, and why; `since` is null where no moment can be named."""

    subject: str
    state: State
    reason: str
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One value of one metric of a subject; `limit` is what it must not reach, as it was then; null without one."""

    subject: str
    metric: str
    at: datetime
    value: float
    limit: float | None = None


@dataclass(frozen=True, kw_only=True)
class EarlyWarning:
    """Something that will go wrong, or begins to.

    `change_per_day` is in the metric's unit, between `lowest_per_day` and `highest_per_day` with the confidence that
    `groundwork.orbt.health.trends` states; `forecast_at` is when the limit is reached at that pace, between
    `earliest_at` and `latest_at`; all null where they do not apply.
    """

    subject: str
    metric: str
    kind: WarningKind
    told: str
    value: float
    usual: float | None = None
    limit: float | None = None
    change_per_day: float | None = None
    lowest_per_day: float | None = None
    highest_per_day: float | None = None
    forecast_at: datetime | None = None
    earliest_at: datetime | None = None
    latest_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two warnings the same one, seen again."""
        return (self.subject, self.metric, str(self.kind))

    def details(self) -> Mapping[str, Any]:
        """Everything but the key and the words, JSON-ready."""
        told = asdict(self)
        for name in ("subject", "metric", "kind", "told"):
            del told[name]
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}
