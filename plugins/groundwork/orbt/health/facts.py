"""The facts that the states of a domain's datasets and pipelines follow from, put together from what was read."""

# groundwork: allow-file own_session reads what the store says of pipelines, not rows of tables

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.orbt.health.facts_reading import BookFacts, StoreFacts, Trouble, read_books, read_store
from groundwork.orbt.health.judgement import TRAINING_RUNS, Facts
from groundwork.orbt.health.subjects import PipelineKind, WatchedPipeline, watched_pipelines


def facts_of(store: Engine, warehouse: Engine | None, domain: Domain, now: datetime) -> dict[str, Facts]:
    """The facts of every dataset and pipeline of a domain by name; Dags that only strikes name are among them.

    A null warehouse is one that was asked before and did not answer.
    """
    with store.connect() as connection:
        said = read_store(connection, domain, now)
    books = read_books(warehouse, domain, TRAINING_RUNS)
    pipelines = watched_pipelines(domain)
    found = {table.qualified_name: _of_dataset(table.qualified_name, domain, said, books) for table in domain.tables}
    for pipeline in pipelines:
        parts = [found[name] for name in pipeline.datasets]
        found[pipeline.name] = _of_pipeline(pipeline, parts, said)
    _with_troubles(found, pipelines, said.troubles)
    return found


def _of_dataset(name: str, domain: Domain, said: StoreFacts, books: BookFacts) -> Facts:
    """Without what troubles say, which is added for all subjects at the end."""
    if books.problem is not None:
        return Facts(failing=books.problem)
    source = domain.table(name).source or {}
    if source.get("kind") == "stream":
        facts = _of_stream(books.streams.get(f"{domain.name}.{source.get('connection')}"))
    else:
        facts = _of_loads(books.loads.get(name, ()), said.changed_at.get(name), has_source=bool(source))
    if name in said.building:
        told, since = said.building[name]
        return replace(facts, building=told, building_since=since)
    return facts


def _of_loads(loads: Sequence[Mapping[str, Any]], changed_at: datetime | None, *, has_source: bool) -> Facts:
    finished = [load for load in loads if load["state"] == "finished"]
    if not loads:
        return Facts(building="it was never loaded" if has_source else None, changed_at=changed_at)
    if loads[0]["state"] == "stopped":
        told = f"the last load (run {loads[0]['run_id']}) was stopped: too many rows were broken"
        return Facts(failing=told, failing_since=loads[0]["finished_at"])
    since = [load for load in finished if changed_at is None or load["finished_at"] >= changed_at]
    return Facts(runs=len(since), changed_at=changed_at, last_run_at=finished[0]["finished_at"] if finished else None)


def _of_stream(row: Mapping[str, Any] | None) -> Facts:
    if row is None or row["snapshot_at"] is None:
        return Facts(building="its stream has not begun")
    if row["position"] is None:
        return Facts(failing="its stream was given up; the next start takes a snapshot")
    return Facts(last_run_at=row["committed_at"] or row["snapshot_at"])


def _of_pipeline(pipeline: WatchedPipeline, parts: Sequence[Facts], said: StoreFacts) -> Facts:
    if pipeline.kind is not PipelineKind.FOUNDATION:
        # A pipeline is what its least ready dataset is.
        counted = [each.runs for each in parts if each.runs is not None]
        first = next((p for p in parts if p.failing), None) or next((p for p in parts if p.building), None)
        return first or (replace(parts[0], runs=min(counted) if counted else None) if parts else Facts())
    run = said.foundation
    if run is None:
        return Facts(building="the foundation was never built")
    if run["state"] == "running":
        return Facts(building="a foundation run is under way", building_since=run["started_at"])
    if run["state"] == "failed":
        return Facts(failing=f"its last run {run['run_id']} failed", failing_since=run["finished_at"])
    return Facts(last_run_at=run["finished_at"])


def _with_troubles(found: dict[str, Facts], pipelines: Sequence[WatchedPipeline], troubles: Sequence[Trouble]) -> None:
    """What fails is told at the pipeline of its Dag, at the dataset it names, and at all that the pipeline fills."""
    by_dag = {each.dag_id: each for each in pipelines}
    for trouble in troubles:
        pipeline = by_dag.get(str(trouble.dag_id))
        if not trouble.is_ours and (pipeline is None or pipeline.kind is PipelineKind.FOUNDATION):
            continue
        names = [trouble.dag_id] if pipeline is None else [pipeline.name, *pipeline.datasets]
        if trouble.table in found:
            names.append(trouble.table)
        for name in {each for each in names if each is not None}:
            known = found.get(name, Facts())
            found[name] = replace(
                known,
                failing=trouble.told,
                failing_since=trouble.at,
                strikes=known.strikes + (not trouble.is_incident),
                incidents=known.incidents + trouble.is_incident,
            )
