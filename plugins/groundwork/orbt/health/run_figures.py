"""What each finished run of a pipeline took, read and was struck, from the books of loads and the store.

A run of a table is what the books say of one Airflow run's loads of it, whichever Dag made them; the moment is the end
of the last of them. Drills and replays of the quarantine are no runs.
"""

# groundwork: allow-file own_session reads what the store and the books say of runs, not rows of tables

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from groundwork.contracts.contract import Domain
from groundwork.flow.ledger import LOAD
from groundwork.flow.quarantine.replay_ledger import REPLAY
from groundwork.model.health import Measurement
from groundwork.orbt.health.subjects import PipelineKind, WatchedPipeline, struck_places, watched_pipelines
from groundwork.store.foundation import FOUNDATION_RUN
from groundwork.store.strike import STRIKE

_MOST_RUNS = 5000  # of a domain in one look; more come with the next
_MOST_STRIKES = 50_000


def runs_of(
    store: Engine,
    warehouse: Engine,
    domain: Domain,
    *,
    known: Mapping[tuple[str, str], datetime],
    earliest: datetime,
) -> Iterator[Measurement]:
    """Duration, records and strikes of the runs of a domain's pipelines that are not known yet.

    Raises: what the driver raises when the store or the warehouse does not answer.
    """
    pipelines = watched_pipelines(domain)
    loads = {each.datasets[0]: each for each in pipelines if each.kind is PipelineKind.LOAD}
    with store.connect() as connection:
        strikes = _strikes(connection, domain, earliest)
        foundations = _foundation_runs(connection, domain, earliest)
    with warehouse.connect() as connection:
        rows = _runs(connection, {table.schema for table in domain.tables}, earliest)
    for row in rows:
        pipeline = loads.get(f"{row['schema_name']}.{row['table_name']}")
        if pipeline is not None:
            yield from _of_run(pipeline, row, strikes, known)
    for pipeline in pipelines:
        if pipeline.kind is PipelineKind.FOUNDATION:
            for row in foundations:
                yield from _of_run(pipeline, row, strikes, known)


def _of_run(
    pipeline: WatchedPipeline,
    row: Mapping[str, Any],
    strikes: Counter[tuple[str, str]],
    known: Mapping[tuple[str, str], datetime],
) -> Iterator[Measurement]:
    at, last = row["finished_at"], known.get((pipeline.name, "run_seconds"))
    if last is not None and at <= last:
        return
    promise = pipeline.promise_seconds if pipeline.is_scheduled else None
    seconds = (at - row["started_at"]).total_seconds()
    yield Measurement(subject=pipeline.name, metric="run_seconds", at=at, value=seconds, limit=promise)
    if "read" in row:
        yield Measurement(subject=pipeline.name, metric="run_rows", at=at, value=float(row["read"]))
    places = {pipeline.dag_id, *pipeline.datasets}
    struck = sum(strikes[row["run_id"], place] for place in places)
    yield Measurement(subject=pipeline.name, metric="run_strikes", at=at, value=float(struck))


def _runs(connection: Connection, schemas: set[str], earliest: datetime) -> list[Mapping[str, Any]]:
    """The newest runs of all tables that ended, by their end."""
    if connection.execute(select(func.to_regclass(LOAD.fullname))).scalar() is None:
        return []
    key = (LOAD.c.schema_name, LOAD.c.table_name, LOAD.c.run_id)
    ended = func.max(LOAD.c.finished_at)
    query = (
        select(
            *key,
            func.min(LOAD.c.started_at).label("started_at"),
            ended.label("finished_at"),
            func.sum(LOAD.c.read).label("read"),
        )
        .where(LOAD.c.schema_name.in_(schemas), LOAD.c.is_trial.is_(False), LOAD.c.started_at >= earliest)
        .group_by(*key)
        .having(func.bool_and(LOAD.c.state == "finished"))
        .order_by(ended.desc())
        .limit(_MOST_RUNS)
    )
    if connection.execute(select(func.to_regclass(REPLAY.fullname))).scalar() is not None:
        query = query.where(LOAD.c.run_id.not_in(select(REPLAY.c.run_id)))
    return [dict(row) for row in connection.execute(query).mappings()]


def _foundation_runs(connection: Connection, domain: Domain, earliest: datetime) -> list[Mapping[str, Any]]:
    run = FOUNDATION_RUN.c
    query = (
        select(run.run_id, run.started_at, run.finished_at)
        .where(run.domain == domain.name, run.state == "success", run.is_dry_run.is_(False))
        .where(run.started_at >= earliest, run.finished_at.is_not(None))
        .order_by(run.finished_at.desc())
        .limit(_MOST_RUNS)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _strikes(connection: Connection, domain: Domain, earliest: datetime) -> Counter[tuple[str, str]]:
    """(run, Dag or `schema.table`) → strikes."""
    query = (
        select(STRIKE.c.run_id, STRIKE.c.dag_id, STRIKE.c.circumstances["table"].astext.label("table"))
        .where(STRIKE.c.domain == domain.name, STRIKE.c.struck_at >= earliest)
        .order_by(STRIKE.c.id.desc())
        .limit(_MOST_STRIKES)
    )
    counted: Counter[tuple[str, str]] = Counter()
    for row in connection.execute(query):
        counted.update((row.run_id, place) for place in struck_places(row.dag_id, row.table))
    return counted
