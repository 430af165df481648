"""What is watched of a domain: its datasets, and the pipelines that fill them, as its contracts declare them.

A pipeline is the Dag of one table (`load_…`), of one stream (`stream_…`), or the foundation of the domain. Declarations
that are broken are left out: `groundwork validate-schema` tells of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from groundwork.contracts.contract import Domain
from groundwork.flow.capture.declaration import is_stream
from groundwork.flow.pipelines.pipeline import Pipeline, freshness_seconds, pipelines_of
from groundwork.model.errors import GroundworkError
from groundwork.orbt.tries.target_name import CONNECTION, SOURCE
from groundwork.settings import WAREHOUSE_CONNECTION

FOUNDATION_DAG = "data_foundation"
_ONE_TABLE = "load_"  # how Dags of one table are called


class PipelineKind(StrEnum):
    """Which Dag a pipeline is; `other` is one that no contract declares: it is known by its strikes."""

    LOAD = "load"
    STREAM = "stream"
    FOUNDATION = "foundation"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class WatchedPipeline:
    """One pipeline; `datasets` are `schema.table`, `connections` Airflow connection ids of its source and its target.

    `promise_seconds` is how fresh its table has to be; null without a promise. Of a Dag that no contract declares
    `connections` are what its tasks failed on, `source:<address>` among them, and `domain` is what its strikes say.
    """

    name: str
    dag_id: str
    domain: str
    kind: PipelineKind
    datasets: tuple[str, ...] = ()
    connections: tuple[str, ...] = (WAREHOUSE_CONNECTION,)
    promise_seconds: float | None = None
    is_scheduled: bool = False


def foundation_name(domain: str) -> str:
    """The name of a domain's foundation among pipelines: one Dag builds all domains."""
    return f"{FOUNDATION_DAG}.{domain}"


def stream_subject(stream: str) -> str:
    """The name of a stream among what is measured; `stream` is `domain.connection`."""
    return f"stream:{stream}"


def struck_places(dag_id: str, table: str | None) -> tuple[str, ...]:
    """Where a strike counts: at its Dag, and at the table it names unless the Dag is that of one table anyway."""
    return (dag_id,) if table is None or dag_id.startswith(_ONE_TABLE) else (dag_id, table)


def measured_as(pipeline: WatchedPipeline) -> str:
    """What the measurements and warnings of a pipeline are kept under."""
    if pipeline.kind is PipelineKind.STREAM:
        return stream_subject(f"{pipeline.domain}.{pipeline.connections[0]}")
    return pipeline.name


def breaker_of(connection: str) -> str:
    """The name of the breaker of one of a pipeline's `connections`."""
    return connection if connection.startswith(SOURCE) else f"{CONNECTION}{connection}"


def connections_of(domain: Domain) -> frozenset[str]:
    """The Airflow connections that a domain's tables live on or are loaded from."""
    found = ((table.source or {}).get("connection") for table in domain.tables)
    return frozenset([WAREHOUSE_CONNECTION, *(str(each) for each in found if each)])


def watched_pipelines(domain: Domain) -> tuple[WatchedPipeline, ...]:
    """The pipelines of a domain: its foundation, then the Dags of tables and streams in order of declaration."""
    first = WatchedPipeline(
        name=foundation_name(domain.name), dag_id=FOUNDATION_DAG, domain=domain.name, kind=PipelineKind.FOUNDATION
    )
    return (first, *_loads(domain), *_streams(domain))


def _loads(domain: Domain) -> Iterator[WatchedPipeline]:
    for contract in domain.contracts:
        try:
            declared = list(pipelines_of(domain.name, contract, ""))
        except GroundworkError:
            continue
        for each in declared:
            yield _load(domain, each)


def _load(domain: Domain, pipeline: Pipeline) -> WatchedPipeline:
    source = domain.table(pipeline.qualified_name).source or {}
    named = [str(source["connection"])] if source.get("connection") else []
    return WatchedPipeline(
        name=pipeline.dag_id,
        dag_id=pipeline.dag_id,
        domain=domain.name,
        kind=PipelineKind.LOAD,
        datasets=(pipeline.qualified_name,),
        connections=tuple(dict.fromkeys([*named, WAREHOUSE_CONNECTION])),
        promise_seconds=pipeline.freshness_seconds,
        is_scheduled=pipeline.schedule is not None,
    )


def _streams(domain: Domain) -> Iterator[WatchedPipeline]:
    by_connection: dict[str, list[str]] = {}
    for table in domain.tables:
        if is_stream(table) and (table.source or {}).get("connection"):
            by_connection.setdefault(str((table.source or {})["connection"]), []).append(table.qualified_name)
    for connection, datasets in sorted(by_connection.items()):
        promises = [freshness_seconds(domain.table(name)) for name in datasets]
        yield WatchedPipeline(
            name=f"stream_{domain.name}_{connection}",
            dag_id=f"stream_{domain.name}_{connection}",
            domain=domain.name,
            kind=PipelineKind.STREAM,
            datasets=tuple(datasets),
            connections=(connection, WAREHOUSE_CONNECTION),
            promise_seconds=min((each for each in promises if each is not None), default=None),
            is_scheduled=True,
        )
