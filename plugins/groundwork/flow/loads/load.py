"""One load of one table: from its declared source through the checks into the table, with its books.

Records are read ahead, sifted by columns, and only what is doubtful is examined one by one. They wait in tables
of their own, with a note of how far the source was read, until all are there; then one transaction publishes rows,
quarantine, watermark and books together, so that readers see all of a load or nothing. A load that dies is simply run
again: it goes on behind the last batch that was kept, when source and contract are still the same. A second load of the
same table waits for the first. The first load of an empty table needs no waiting (`groundwork.flow.loads.direct`).

Limits: a record rejected while publishing (see `groundwork.flow.loads.publish`) keeps its typed values as raw; a number
with more decimals than its column keeps is rounded by PostgreSQL, as in any COPY.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow import ledger
from groundwork.flow.books import LoadResult
from groundwork.flow.faults import database_faults
from groundwork.flow.loads import direct
from groundwork.flow.loads.fill import fill
from groundwork.flow.loads.job import Job
from groundwork.flow.loads.progress import Progress
from groundwork.flow.loads.publication import publish
from groundwork.flow.loads.session import load_session
from groundwork.flow.loads.staging import PartState, StagingArea, abandoned
from groundwork.flow.loads.threshold import declared_threshold
from groundwork.flow.loads.waiting import BeforePublish
from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.source import BATCH_ROWS, open_source, write_mode
from groundwork.flow.source_change import judged
from groundwork.flow.watermark import Watermark
from groundwork.flow.window import Window, require_column
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import WriteMode

__all__ = ["LoadResult", "declared_rows", "load_table", "load_through_staging", "make_job"]

_ABANDONED = timedelta(days=7)  # waiting rows that nobody came back for


def load_table(  # noqa: PLR0913  what is loaded, from where, into where; all but three have a default
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    run_id: str,
    target_schema: str | None = None,
    source_override: Source | None = None,
    is_trial: bool = False,
    batch_rows: int = BATCH_ROWS,
    window: Window | None = None,
    snapshot: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    resources: Resources | None = None,
    before_publish: BeforePublish | None = None,
) -> LoadResult:
    """Load `table` from its declared source (or `source_override`) and return the books.

    Idempotent: the same source again loads nothing. `target_schema` is where the table stands when that is not the
    contract's schema; `is_trial` marks books and quarantine of a drill. `window` loads only what lies in it by the
    watermark's column; `snapshot` is the day (or whatever the snapshot's column holds) of a snapshot, the present day
    of the server by default. `before_publish` judges the waiting rows; what it raises stops the publication.

    Raises: ConfigError when the declaration, the source or the table in the database is not as it must be;
    DataQualityError when more records are broken than the contract allows; RetriableError when connection, source or
    lock was lost, in which case the table is as it was.
    """
    started = time.monotonic()
    schema = target_schema or table.schema
    name = f"{schema}.{table.name}"
    with database_faults(name), load_session(engine, name) as connection:
        with connection.begin():
            ledger.ensure(connection)
        source = source_override or declared_rows(
            connection,
            engine,
            domain,
            table,
            project=project,
            schema=schema,
            run_id=run_id,
            batch_rows=batch_rows,
            resources=resources,
            window=window,
        )
        job = make_job(
            domain,
            table,
            source,
            schema=schema,
            run_id=run_id,
            window=window,
            is_trial=is_trial,
            progress=progress,
            snapshot=snapshot,
            before_publish=before_publish,
        )
        return direct.load_directly(connection, job, started) or load_through_staging(connection, job, started)


def make_job(  # noqa: PLR0913  one value per fact of a load
    domain: Domain,
    table: TableContract,
    source: Source,
    *,
    schema: str,
    run_id: str,
    window: Window | None = None,
    is_trial: bool = False,
    progress: Callable[[Progress], None] | None = None,
    snapshot: str | None = None,
    before_publish: BeforePublish | None = None,
) -> Job:
    """The load as it will be carried out.

    Raises: ConfigError when the declaration does not fit the contract.
    """
    mode = write_mode(table)
    job = Job(
        domain=domain,
        contract=table,
        schema=schema,
        mode=mode,
        source=source,
        run_id=run_id,
        threshold=declared_threshold(table),
        window=window,
        snapshot=(snapshot or "today") if mode is WriteMode.SNAPSHOT else None,
        is_trial=is_trial,
        progress=progress,
        before_publish=before_publish,
    )
    require_column(job.window_column, window, table.qualified_name)
    _require_columns(table, source, job.values)
    return job


def declared_rows(  # noqa: PLR0913  what is read, and what reading may use
    connection: Connection,
    engine: Engine,
    domain: Domain,
    table: TableContract,
    *,
    project: Path,
    schema: str,
    run_id: str,
    batch_rows: int,
    resources: Resources | None,
    window: Window | None,
) -> Source:
    """The declared source, asked for what came since the watermark where it can be, and judged by its policy.

    Raises: ConfigError when the declaration or the form of the source is not as it must be.
    """
    with connection.begin():
        watermark = Watermark.declared(connection, table, schema)
        since = watermark.since() if watermark else None
    source = open_source(
        engine,
        domain,
        table,
        project=project,
        schema=schema,
        batch_rows=batch_rows,
        resources=resources,
        since=since,
        window=window,
    )
    return judged(connection, table, source, schema=schema, run_id=run_id)


def _require_columns(table: TableContract, source: Source, filled_by_load: Collection[str]) -> None:
    filled = {*source.columns, *filled_by_load}
    missing = [
        column.name
        for column in table.columns
        if column.is_required
        and column.name not in filled
        and column.default is None
        and column.generated is None
        and column.identity is None
    ]
    if missing:
        raise ConfigError(
            "the source leaves out columns that the table requires",
            where=f"{table.qualified_name} from {source.description}",
            expected=", ".join(missing),
            found=", ".join(source.columns),
            next_step="map the columns in `source.columns`, or give them a default in the contract",
        )


def load_through_staging(connection: Connection, job: Job, started: float) -> LoadResult:
    """The way that can be taken up again: fill the waiting tables, then publish. Returns the books."""
    with connection.begin():
        state = _taken_up(connection, job)
    state = fill(connection, job, job.source, state)
    return publish(connection, job, [state], started)


def _taken_up(connection: Connection, job: Job) -> PartState:
    """Where the last try of the same load stopped, or a fresh beginning; what others left long ago goes."""
    for schema, name in abandoned(connection, _ABANDONED):
        if (schema, name) == (job.schema, job.contract.name) or name not in {each.name for each in job.domain.tables}:
            continue
        StagingArea(contract=job.domain.table(name), schema=schema).drop(connection)
    plan = job.plan((job.source,))
    states = job.area.states(connection)
    if plan is not None and len(states) == 1 and states[0].plan == plan:
        return states[0]
    job.area.begin(connection, plan or "", [job.source.description])
    return job.area.states(connection)[0]
