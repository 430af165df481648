"""Collects the page `Health`, the page of one pipeline, and the states that other pages show as badges.

Dags that somebody may not see are left out, and with them their warnings; datasets are shown to all who see the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.model.health import Measurement, Situation
from groundwork.orbt.health.health import WholeHealth, surroundings, whole_health
from groundwork.orbt.health.pipeline_health import PipelineHealth
from groundwork.orbt.health.series import amount
from groundwork.orbt.health.states import most_pressing, states_of
from groundwork.orbt.health.trends import METRICS
from groundwork.pages.block import Block, Problem
from groundwork.pages.declared import declared_domain, domain_names
from groundwork.pages.health_view import (
    BreakerView,
    HealthPage,
    PipelineLine,
    PipelinePage,
    SeriesView,
    StateView,
    WarningView,
)
from groundwork.pages.policy_problems import policy_problems
from groundwork.pages.sources import Opened, Sources, guarded, open_store, open_warehouse
from groundwork.store.base import utc_now
from groundwork.store.health import HealthRecords

MaySee = Callable[[str], bool]  # whether somebody may see the Dag of this id
_TELLING = ("run_seconds", "lag_seconds")  # the series that stands for a pipeline
_HISTORY = 20
_NOTHING = WholeHealth(domains=(), others=(), breakers=())


@dataclass(frozen=True, kw_only=True)
class _Read:
    """The health of all domains that could be read and of other Dags, and what stood in the way of the rest."""

    whole: Block[WholeHealth]
    problems: tuple[Problem, ...]


def collect_health(sources: Sources, may_see: MaySee, *, is_narrowed: bool = False) -> HealthPage:
    """The page as of now, or only what needs somebody of it; never raises for a source that fails."""
    store, warehouse = open_store(sources), open_warehouse(sources)
    read = _read(sources, store, warehouse)
    found, problem = read.whole.content or _NOTHING, read.whole.problem
    lines = tuple(_line(each) for each in found.pipelines if may_see(each.pipeline.dag_id))
    around = store.read(surroundings)
    warned = tuple(each for line in lines for each in line.warnings)
    if around.content is not None:
        warned = (*(_warning(row) for row in around.content.warnings), *warned)
    return HealthPage(
        problems=read.problems,
        breakers=Block(problem=problem)
        if problem
        else Block(content=tuple(_breaker(row, may_see) for row in found.breakers)),
        pipelines=Block(problem=problem) if problem else Block(content=lines),
        datasets=Block(problem=problem)
        if problem
        else Block(content=tuple(_state(each) for domain in found.domains for each in domain.datasets.values())),
        warnings=Block(problem=problem or around.problem) if problem or around.problem else Block(content=warned),
        surroundings=Block(problem=around.problem)
        if around.content is None
        else Block(content=tuple(_series(points) for _, points in sorted(around.content.series.items()))),
        policies=policy_problems(sources),
        is_narrowed=is_narrowed,
    )


def collect_pipeline(sources: Sources, name: str) -> PipelinePage | None:
    """The page of one pipeline; null when there is none of that name, or nothing can be read of it."""
    store, warehouse = open_store(sources), open_warehouse(sources)
    read = _read(sources, store, warehouse)
    whole = read.whole.content or _NOTHING
    found = next((each for each in whole.pipelines if each.pipeline.name == name), None)
    if found is None:
        return None
    line = _line(found)
    datasets = {name: each for domain in whole.domains for name, each in domain.datasets.items()}
    subjects = {series.subject for series in line.series} | {name}
    return PipelinePage(
        problems=read.problems,
        line=line,
        datasets=tuple(_state(datasets[dataset]) for dataset in found.pipeline.datasets),
        history=store.read(lambda engine: _history(engine, subjects)).content or (),
    )


def states(sources: Sources, store: Opened, warehouse: Opened, domain: str) -> Mapping[str, StateView]:
    """The states of a domain's datasets and pipelines by name, and that of the domain by its own; none when unknown."""

    def read(engine: Engine) -> dict[str, StateView]:
        found = states_of(engine, warehouse.engine, declared_domain(domain, sources.contracts), utc_now())
        whole = most_pressing(found.values(), domain)
        return {each.subject: _state(each) for each in (*found.values(), whole)}

    return store.read(read).content or {}


def _read(sources: Sources, store: Opened, warehouse: Opened) -> _Read:
    problems = [opened.problem for opened in (store, warehouse) if opened.problem]
    domains: list[Domain] = []
    for name in domain_names(sources.contracts):
        declared = guarded(partial(declared_domain, name, sources.contracts))
        if declared.content is not None:
            domains.append(declared.content)
        elif declared.problem is not None:
            problems.append(declared.problem)
    now = utc_now()

    def health(engine: Engine) -> WholeHealth:
        return whole_health(engine, warehouse.engine, domains, now)

    return _Read(whole=store.read(health), problems=tuple(problems))


def _history(store: Engine, subjects: set[str]) -> tuple[WarningView, ...]:
    rows = HealthRecords(store).warnings(only_open=False, limit=1000)
    return tuple(_warning(row) for row in rows if row["subject"] in subjects and row["cleared_at"])[:_HISTORY]


def _line(health: PipelineHealth) -> PipelineLine:
    pipeline = health.pipeline
    series = tuple(_all_series(health.series))
    return PipelineLine(
        name=pipeline.name,
        dag_id=pipeline.dag_id,
        domain=pipeline.domain,
        kind=str(pipeline.kind),
        datasets=pipeline.datasets,
        state=_state(health.situation),
        score=health.score,
        parts=health.parts,
        breaker=_worst(health.breakers.values()),
        breakers=health.breakers,
        warnings=tuple(_warning(row) for row in health.warnings),
        trend=next((each for name in _TELLING for each in series if each.metric == name), None),
        series=series,
    )


def _worst(states: Any) -> str:
    found = set(states)
    return "open" if "open" in found else "half-open" if "half_open" in found else "closed"


def _all_series(series: Mapping[str, Sequence[Measurement]]) -> Iterator[SeriesView]:
    for metric in METRICS:
        if series.get(metric):
            yield _series(series[metric])


def _series(points: Sequence[Measurement]) -> SeriesView:
    last = points[-1]
    known = METRICS.get(last.metric)
    unit = known.unit if known else ""
    return SeriesView(
        subject=last.subject,
        metric=last.metric,
        words=known.words if known else last.metric,
        unit=unit,
        values=tuple(each.value for each in points),
        moments=tuple(each.at for each in points),
        limit=last.limit,
        newest=amount(last.value, unit),
    )


def _state(situation: Situation) -> StateView:
    return StateView(
        subject=situation.subject, state=str(situation.state), reason=situation.reason, since=situation.since
    )


def _breaker(row: Mapping[str, Any], may_see: MaySee) -> BreakerView:
    """Of a failure in a Dag that somebody may not see no more is told than its class."""
    reason, failed_in = row["reason"] or "", str(row["last_failure_by"] or "").partition("/")[0]
    if failed_in and not row["is_held"] and not may_see(failed_in):
        reason = reason.partition(":")[0]
    return BreakerView(
        target=row["target"],
        state=str(row["state"]).replace("_", "-"),
        since=row["opened_at"],
        reason=reason,
        next_probe_at=row["retry_at"] if row["state"] == "open" and not row["is_held"] else None,
        is_held=row["is_held"],
    )


def _warning(row: Mapping[str, Any]) -> WarningView:
    forecast = row["details"].get("forecast_at")
    return WarningView(
        subject=row["subject"],
        metric=row["metric"],
        kind=row["kind"],
        told=row["told"],
        first_seen_at=row["first_seen_at"],
        cleared_at=row["cleared_at"],
        forecast_at=datetime.fromisoformat(forecast) if forecast else None,
    )
