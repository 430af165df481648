"""The health of one pipeline, put together from what was read for all: state, score with its parts,
breakers, warnings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from groundwork.model.health import Measurement, Situation
from groundwork.orbt.health import score as parts_of
from groundwork.orbt.health.score import Part
from groundwork.orbt.health.states import Facts, judge
from groundwork.orbt.health.stream_hours import Hours
from groundwork.orbt.health.subjects import PipelineKind, WatchedPipeline, breaker_of, measured_as
from groundwork.orbt.health.told_runs import SUCCEEDED

Tries = Mapping[str, Counter[str]]  # `succeeded`, `failed`, `healed` → how many, by `schema.table` or Dag
Series = Mapping[str, Sequence[Measurement]]  # metric → measurements, oldest first
_COUNTED_LATELY = timedelta(days=1)  # what Airflow told of a Dag before that is told no more


@dataclass(frozen=True, kw_only=True)
class PipelineHealth:
    """One pipeline; `score` is null before it ran, `breakers` are those of what it uses that are not closed.

    `warnings` are rows of `health_warning`, `series` the newest measurements by metric, oldest first.
    """

    pipeline: WatchedPipeline
    situation: Situation
    score: float | None
    parts: tuple[Part, ...]
    breakers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Mapping[str, Any], ...] = ()
    series: Series = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What is read once for many pipelines; `breakers` are those not closed, `qualities` in percent.

    `hours` are those of streams, null when the warehouse does not answer.
    """

    facts: Mapping[str, Facts]
    series: Mapping[tuple[str, str], Sequence[Measurement]]
    warnings: Sequence[Mapping[str, Any]]
    tries: Tries
    breakers: Mapping[str, str]
    now: datetime
    hours: Mapping[str, Hours] | None = field(default_factory=dict)
    qualities: Mapping[str, float] = field(default_factory=dict)


def pipeline_health(pipeline: WatchedPipeline, gathered: Gathered) -> PipelineHealth:
    """The health of one of the pipelines that `gathered` was read for."""
    subject, facts = measured_as(pipeline), gathered.facts[pipeline.name]
    series = {metric: points for (name, metric), points in gathered.series.items() if name == subject}
    warnings = tuple(row for row in gathered.warnings if row["subject"] == subject)
    targets = map(breaker_of, pipeline.connections)
    breakers = {target: gathered.breakers[target] for target in targets if target in gathered.breakers}
    qualities = [gathered.qualities[name] for name in pipeline.datasets if name in gathered.qualities]
    parts = (
        _success(pipeline, series, gathered),
        parts_of.freshness(_age(pipeline, facts, series, gathered.now), pipeline.promise_seconds),
        parts_of.quality(min(qualities, default=None)),
        parts_of.trouble(facts.strikes, facts.incidents, facts.failing),
        parts_of.warned(len(warnings)),
        parts_of.breaker(breakers),
    )
    return PipelineHealth(
        pipeline=pipeline,
        situation=judge(pipeline.name, facts),
        score=parts_of.score(parts),
        parts=parts,
        breakers=breakers,
        warnings=warnings,
        series=series,
    )


def _age(pipeline: WatchedPipeline, facts: Facts, series: Series, now: datetime) -> float | None:
    """Seconds since the last run, or how far a stream is behind."""
    if pipeline.kind is PipelineKind.STREAM:
        lag = series.get("lag_seconds")
        return lag[-1].value if lag else None
    return (now - facts.last_run_at).total_seconds() if facts.last_run_at else None


def _success(pipeline: WatchedPipeline, series: Series, gathered: Gathered) -> Part:
    if pipeline.kind is PipelineKind.STREAM:
        hours = None if gathered.hours is None else gathered.hours.get(pipeline.name, Hours())
        return parts_of.success_of_hours(hours.good if hours else None, len(hours.failed) if hours else 0)
    succeeded, failed = gathered.tries["succeeded"], gathered.tries["failed"]
    if pipeline.kind is PipelineKind.OTHER:  # strikes alone are no share: Airflow has to tell what succeeded
        told = [each for each in series.get(SUCCEEDED, ()) if each.at >= gathered.now - _COUNTED_LATELY]
        if told:
            return parts_of.success(int(told[-1].value), failed[pipeline.dag_id])
        return parts_of.success_uncounted(failed[pipeline.dag_id], gathered.tries["healed"][pipeline.dag_id])
    places = {pipeline.dag_id, *pipeline.datasets}
    return parts_of.success(sum(succeeded[place] for place in places), sum(failed[place] for place in places))
