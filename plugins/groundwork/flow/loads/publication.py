"""From the waiting tables into the table, in one transaction: readers see all of a load or nothing of it.

Rows, quarantine, watermark and books commit together, and the waiting tables vanish with them. A load that found more
broken records than its contract allows is stopped here: nothing is published, and the books keep what it found.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Table, insert, literal, select

from groundwork.flow.books import LoadResult, close_books, open_books, stop_books
from groundwork.flow.ledger import LOAD, QUARANTINE
from groundwork.flow.loads.history import HistoryPublisher, declared_history
from groundwork.flow.loads.job import Job
from groundwork.flow.loads.publish import Published, Publisher
from groundwork.flow.loads.session import choose_joins, transaction_settings
from groundwork.flow.loads.staging import PartState
from groundwork.flow.loads.threshold import Verdict
from groundwork.flow.loads.waiting import Waiting
from groundwork.flow.quarantine.rejected import Quarantine
from groundwork.flow.watermark import Watermark
from groundwork.model.errors import DataQualityError
from groundwork.model.vocabulary import WriteMode

_log = logging.getLogger(__name__)
_EVIDENCE = 1_000  # records of a stopped load that the ledger keeps


class _StoppedError(Exception):
    """Too many records are broken; carries what was found, and takes the transaction back."""

    def __init__(self, result: LoadResult) -> None:
        super().__init__(str(result))
        self.result = result


def publish(connection: Connection, job: Job, states: Sequence[PartState], started: float) -> LoadResult:
    """Let what waits be judged, publish it and return the books.

    Raises: DataQualityError when more records are broken than the contract's threshold allows; whatever the judge
    raises, and then everything goes on waiting.
    """
    _let_judge(connection, job)
    try:
        with connection.begin():
            transaction_settings(connection)
            return _Publication(connection, job, states, started).run()
    except _StoppedError as stopped:
        raise _stop(connection, job, stopped.result) from None


def _let_judge(connection: Connection, job: Job) -> None:
    if job.before_publish is None:
        return
    rows = job.area.rows
    with connection.begin():  # not the publishing one: a judge may take long, and it reads by other connections too
        job.before_publish(
            Waiting(
                connection=connection,
                relation=(str(rows.schema), rows.name),
                contract=job.contract,
                schema=job.schema,
                run_id=job.run_id,
                window=job.window,
            )
        )


class _Publication:
    """One publishing transaction."""

    def __init__(self, connection: Connection, job: Job, states: Sequence[PartState], started: float) -> None:
        self.connection = connection
        self.job = job
        self.states = states
        self.started = started
        self.watermark = Watermark.declared(connection, job.contract, job.schema)
        self.before = self.watermark.values() if self.watermark else {}
        self.quarantine = open_load(connection, job, self.before, [state.description for state in states])

    def run(self) -> LoadResult:
        job, area = self.job, self.job.area
        area.analyze(self.connection, [state.part for state in self.states])
        choose_joins(self.connection, job.target, area.rows)
        rejected = self.quarantine.take(area.rejected)
        publisher = publisher_of(job, self.connection, area.rows, self.quarantine, is_whole=rejected == 0)
        settled = publisher.settle_keys()
        read = sum(state.read for state in self.states)
        broken = rejected + settled.quarantined
        verdict = job.threshold.verdict(broken, read)
        if verdict is Verdict.STOP:
            raise _StoppedError(self._result(read, Published(quarantined=broken), late=0))
        late = advance(self.watermark, publisher, area.rows, self.quarantine.load_id)
        written = publisher.write()
        total = replace(written, quarantined=broken, duplicates=settled.duplicates + written.duplicates)
        result = self._result(read, total, late)
        close_books(self.connection, result)
        area.drop(self.connection)
        if verdict is Verdict.WARN:
            _log.warning(
                "%s: %d of %d records are broken, more than %s", job.name, broken, read, job.threshold.warn_above
            )
        return result

    def _result(self, read: int, total: Published, late: int) -> LoadResult:
        checksums = [state.checksum for state in self.states]
        return load_result(
            self.job,
            self.quarantine,
            total,
            read=read,
            late=late,
            watermark_before=self.before,
            watermark_after=self.watermark.values() if self.watermark else {},
            checksum=checksums[0] if len(checksums) == 1 else None,
            seconds=time.monotonic() - self.started,
        )


def publisher_of(
    job: Job, connection: Connection, rows: Table, quarantine: Quarantine, *, is_whole: bool
) -> Publisher | HistoryPublisher:
    """The way into the table that the job's mode asks for; `is_whole`: no record of the source was left out."""
    if job.mode is WriteMode.SCD2:
        return HistoryPublisher(
            connection=connection,
            contract=job.contract,
            staging=rows,
            target=job.target,
            columns=job.source.columns,
            quarantine=quarantine,
            history=declared_history(job.contract),
            is_whole=is_whole,
        )
    snapshot = job.snapshot_column
    is_range = job.window is not None
    return Publisher(
        connection=connection,
        contract=job.contract,
        staging=rows,
        target=job.target,
        columns=(*job.source.columns, snapshot) if snapshot else job.source.columns,
        mode=job.mode,
        quarantine=quarantine,
        snapshot_column=snapshot,
        removes=job.mode in (WriteMode.REPLACE, WriteMode.SNAPSHOT) and is_whole and not is_range,
    )


def open_load(connection: Connection, job: Job, before: dict[str, str], sources: Sequence[str]) -> Quarantine:
    """Open the books of a load; returns its quarantine, which knows the load's id."""
    window = job.window
    load_id = open_books(
        connection,
        run_id=job.run_id,
        schema_name=job.schema,
        table_name=job.contract.name,
        source=job.source.description,
        mode=job.mode,
        is_trial=job.is_trial,
        watermark=before,
        window_start=window.start if window else None,
        window_end=window.end if window else None,
    )
    return Quarantine(
        connection=connection,
        load_id=load_id,
        schema=job.schema,
        table=job.contract.name,
        sources=tuple(sources),
        is_trial=job.is_trial,
    )


def load_result(job: Job, quarantine: Quarantine, total: Published, **facts: Any) -> LoadResult:
    """The books as they will be closed; `facts` are the other fields of `LoadResult`."""
    return LoadResult(
        load_id=quarantine.load_id,
        run_id=job.run_id,
        table=job.name,
        source=job.source.description,
        mode=job.mode,
        loaded=total.loaded,
        updated=total.updated,
        unchanged=total.unchanged,
        duplicates=total.duplicates,
        quarantined=total.quarantined,
        removed=total.removed,
        reasons=dict(sorted(quarantine.counts.items())),
        is_trial=job.is_trial,
        **facts,
    )


def advance(watermark: Watermark | None, publisher: Publisher | HistoryPublisher, rows: Table, load_id: int) -> int:
    """Move the watermark over the rows that are published; returns how many new ones were not above it."""
    if watermark is None:
        return 0
    late = watermark.late(rows, publisher.is_new()) if watermark.values() else 0
    watermark.advance(rows, load_id)
    return late


def _stop(connection: Connection, job: Job, found: LoadResult) -> DataQualityError:
    """Keep what a stopped load found, and take the waiting rows away."""
    area = job.area
    with connection.begin():
        load_id = open_load(connection, job, dict(found.watermark_before), ()).load_id
        stop_books(connection, load_id, found)
        names = ["load_id", "schema_name", "table_name", "source", "position", "raw", "reasons", "is_trial", "state"]
        first = area.rejected
        evidence = (
            select(
                literal(load_id, LOAD.c.load_id.type),
                literal(job.schema),
                literal(job.contract.name),
                first.c.source,
                first.c.position,
                first.c.raw,
                first.c.reasons,
                literal(job.is_trial),
                literal("evidence"),
            )
            .order_by(first.c.part, first.c.position)
            .limit(_EVIDENCE)
        )
        connection.execute(insert(QUARANTINE).from_select(names, evidence))
        area.drop(connection)
    reasons = ", ".join(f"{name} ({count})" for name, count in found.reasons.items())
    return DataQualityError(
        "the load was stopped: more records are broken than the contract allows; nothing was loaded",
        where=f"{job.name} from {job.source.description}",
        expected=f"at most {job.threshold.stop_above}",
        found=f"{found.quarantined} of {found.read} records broken: {reasons}",
        next_step=f"groundwork quarantine list --load {load_id}, then correct source or contract and load again",
    )
