"""One look at everything: measure, keep, judge the series, and keep the warnings that come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.model.health import EarlyWarning
from groundwork.orbt.health.measuring import measure
from groundwork.orbt.health.told_runs import ToldDag, measurements
from groundwork.orbt.health.trends import METRICS, WINDOW, judge
from groundwork.store.health import KEPT, HealthRecords, KeptWarnings

_SILENT = timedelta(days=14)  # a series that ended so long ago warns no more


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What one look found: new measurements, removed old ones, series judged, warnings, and what could not be seen."""

    measured: int
    removed: int
    judged: int
    warnings: tuple[EarlyWarning, ...]
    kept: KeptWarnings
    problems: tuple[str, ...]


def watch(
    store: Engine,
    databases: Mapping[str, Engine],
    warehouse: str,
    domains: Sequence[Domain],
    *,
    home: Path,
    now: datetime,
    told: Sequence[ToldDag] = (),
) -> Watched:
    """Look once, as of `now`; safe to repeat and to run twice at once.

    `databases` are engines by Airflow connection id, `warehouse` one of these ids; `told` is what Airflow tells of Dags
    that keep no books. What does not answer is among the problems. Raises: what the driver raises without the store.
    """
    records = HealthRecords(store)
    measured = measure(store, databases, warehouse, domains, home=home, now=now, known=records.newest(), kept=KEPT)
    added = records.add([*measured.measurements, *measurements(store, told, now)])
    removed = records.prune(now)
    judged = [key for key in records.newest().items() if key[0][1] in METRICS]
    found = [
        warning
        for (subject, metric), at in judged
        if at > now - _SILENT
        for warning in judge(records.series(subject, metric, since=now - WINDOW))
    ]
    kept = records.keep(found, {key for key, _ in judged}, now)
    return Watched(
        measured=added,
        removed=removed,
        judged=len(judged),
        warnings=tuple(found),
        kept=kept,
        problems=measured.problems,
    )
