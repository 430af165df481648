"""The records of a source into the waiting tables, batch by batch, each batch in a transaction of its own.

With every batch is written how far the source was read, so that the next try goes on there. Clean records go in by one
COPY; where the contract asks for more than can be told from a record alone (references, conditions), or where a record
is doubtful, the server examines it and gives every reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql
from sqlalchemy import Connection, Delete, Table, cast, delete, false, insert, or_, select, text

from groundwork.flow.ahead import ahead
from groundwork.flow.driver import copy_text, driver_connection
from groundwork.flow.loads.examination import POSITION, Examination, restart_positions
from groundwork.flow.loads.job import Job
from groundwork.flow.loads.progress import Teller
from groundwork.flow.loads.row_checks import RowChecks, finite
from groundwork.flow.loads.staging import PART_SHIFT, PartState
from groundwork.flow.loads.vector import Sieve, Sifted
from groundwork.flow.record import Batch, Reason, Record, Source
from groundwork.flow.statement import changed_rows
from groundwork.flow.window import Window

_ASYNCHRONOUS = text("SET LOCAL synchronous_commit = off")  # a crash may take the last batches: they are read again


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A record that goes to quarantine, with all its reasons."""

    record: Record
    reasons: Sequence[Reason]


def fill(connection: Connection, job: Job, source: Source, state: PartState) -> PartState:
    """Read `source` from where `state` stands to its end; returns the state at the end.

    Raises: RetriableError when source or connection is lost; what was read until then is kept.
    """
    if state.is_complete:
        return state
    filler = Filler(connection, job, source, state)
    try:
        return filler.run()
    finally:
        filler.sieve.close()


class Filler:
    """The filling of one part."""

    def __init__(self, connection: Connection, job: Job, source: Source, state: PartState) -> None:
        self.connection = connection
        self.job = job
        self.source = source
        self.state = state
        with connection.begin():
            self.checks: RowChecks = job.checks(connection)
            self.examination = examination(connection, job, source)
        self.sieve: Sieve = job.sieve(self.checks, source)
        self.needs_server = needs_server(self.sieve, self.checks)
        self.rows = job.area.part_rows(state.part)
        self.teller = Teller(
            table=job.name,
            listener=job.progress,
            bytes_total=source.size_bytes,
            read=state.read,
            bytes_read=state.bytes_read,
        )

    def run(self) -> PartState:
        """Every batch, then the end."""
        offset = self.state.part << PART_SHIFT
        with ahead(self._sifted(offset + self.state.read + self.state.outside + 1)) as batches:
            for batch, sifted, first in batches:
                self._take(batch, sifted, first)
        with self.connection.begin():
            self.state = replace(self.state, is_complete=True, checksum=self.source.checksum())
            self.job.area.keep(self.connection, self.state)
        self.teller.tell()
        return self.state

    def _sifted(self, first: int) -> Iterator[tuple[Batch, Sifted | None, int]]:
        """Runs in a thread of its own: reading and sifting need no connection."""
        batches = self.source.batches(self.state.mark) if self.state.mark is not None else self.source.batches()
        for batch in batches:
            sifted = self.sieve.sift(batch, first, with_positions=True)
            count = sifted.count if sifted is not None else sum(1 for _ in batch.records(first))
            yield batch, sifted, first
            first += count

    def _take(self, batch: Batch, sifted: Sifted | None, first: int) -> None:
        with self.connection.begin():
            self.connection.execute(_ASYNCHRONOUS)
            if sifted is None or not self._copy(sifted, first):
                count, outside, judged = self._examine(list(batch.records(first)))
            elif self.needs_server:
                count, outside, judged = self._examine_clean(batch, sifted, first)
            else:
                _, left, judged = self._examine(list(sifted.doubtful))
                count, outside = sifted.count, sifted.outside + left
            self._reject(judged)
            size = len(batch.block) if batch.block is not None else 0
            self.state = replace(
                self.state,
                mark=batch.mark,
                read=self.state.read + count - outside,
                outside=self.state.outside + outside,
                rejected=self.state.rejected + len(judged),
                bytes_read=self.state.bytes_read + size,
            )
            self.job.area.keep(self.connection, self.state)
        self.teller.add(count - outside, size)

    def _copy(self, sifted: Sifted, first: int) -> bool:
        """The clean records to where they wait, or to the examination when the server has to see them first."""
        if self.needs_server:
            self.examination.clear()
        if not sifted.clean_count:
            return True
        if self.needs_server:
            return self.examination.copy_clean(sifted.clean, None if sifted.has_positions else first)
        names = self.source.columns
        if sifted.has_positions:
            names = (POSITION, *names)
        else:
            restart_positions(self.connection, self.rows.fullname, first)
        identifier = sql.Identifier(self.rows.schema or "", self.rows.name)
        return copy_text(driver_connection(self.connection), identifier, names, sifted.clean) is not None

    def _examine_clean(self, batch: Batch, sifted: Sifted, first: int) -> tuple[int, int, list[Judged]]:
        """Clean records lie in the examination already; the doubtful ones join them."""
        misfits = self.examination.copy_records([record for record in sifted.doubtful if not record.reasons])
        reasons = examined_reasons(self.examination, self.checks, sifted.doubtful, misfits)
        records: dict[int, Record] = {record.position: record for record in sifted.doubtful}
        if broken := reasons.keys() - records.keys():
            records.update({each.position: each for each in batch.records(first) if each.position in broken})
        outside = leave_out(self.connection, self.job, self.examination, reasons)
        self._move()
        judged = [Judged(record=records[position], reasons=found) for position, found in sorted(reasons.items())]
        return sifted.count, sifted.outside + outside, judged

    def _examine(self, records: Sequence[Record]) -> tuple[int, int, list[Judged]]:
        """Records one by one: how many, how many of them outside of the window, and those that are broken."""
        if not records:
            return 0, 0, []
        outside, judged = examine(self.connection, self.job, self.examination, self.checks, records)
        self._move()
        return len(records), outside, judged

    def _move(self) -> None:
        """What passed the examination goes to where rows wait."""
        names = [POSITION, *self.source.columns]
        rows = select(*(self.examination.table.c[name] for name in names))
        self.connection.execute(insert(self.rows).from_select(names, rows))

    def _reject(self, judged: Sequence[Judged]) -> None:
        if not judged:
            return
        place = self.state.part << PART_SHIFT
        rows = [
            {
                "part": self.state.part,
                "position": each.record.position - place,
                "source": self.source.description,
                "raw": dict(each.record.raw),
                "reasons": [reason.to_json() for reason in each.reasons],
            }
            for each in judged
        ]
        self.connection.execute(insert(self.job.area.rejected), rows)


def examination(connection: Connection, job: Job, source: Source) -> Examination:
    """A fresh examination for the records of `source`, in the session of `connection`."""
    connection.execute(text("DROP TABLE IF EXISTS pg_temp.groundwork_examined, pg_temp.groundwork_texts"))
    return Examination(connection=connection, contract=job.contract, columns=source.columns, values=job.values)


def needs_server(sieve: Sieve, checks: RowChecks) -> bool:
    """Whether a clean record may still break something that only the server can tell."""
    wanted = {check.id for check in checks.checks} | {finite(name) for name in checks.finite_columns}
    return not wanted <= sieve.proven


def examine(
    connection: Connection, job: Job, examined: Examination, checks: RowChecks, records: Sequence[Record]
) -> tuple[int, list[Judged]]:
    """Let the server judge `records` alone: how many lie outside of the window, and those that are broken.

    What passed is left in the examination.
    """
    examined.clear()
    misfits = examined.copy_records([record for record in records if not record.reasons])
    reasons = examined_reasons(examined, checks, records, misfits)
    outside = leave_out(connection, job, examined, reasons)
    return outside, [
        Judged(record=each, reasons=reasons[each.position]) for each in records if each.position in reasons
    ]


def examined_reasons(
    examined: Examination, checks: RowChecks, records: Sequence[Record], misfits: Mapping[int, Sequence[Reason]]
) -> dict[int, Sequence[Reason]]:
    """All reasons of every broken record; a value that fits no type is not also called missing."""
    reasons: dict[int, Sequence[Reason]] = {each.position: each.reasons for each in records if each.reasons}
    reasons.update(misfits)
    for position, broken in checks.broken(examined.table).items():
        known = list(reasons.get(position, []))
        unfit = {reason.column for reason in known}
        reasons[position] = known + [each for each in broken if each.column is None or each.column not in unfit]
    return reasons


def leave_out(connection: Connection, job: Job, examined: Examination, reasons: Mapping[int, object]) -> int:
    """Take broken records out of the examination, and those outside of the window; returns how many the latter are."""
    if reasons:
        examined.forget(reasons)
    if job.window is None or job.window_column is None:
        return 0
    return changed_rows(connection, _outside(examined.table, job.window_column, job.window))


def _outside(table: Table, name: str, window: Window) -> Delete:
    column = table.c[name]
    found = []
    if window.start is not None:
        found.append(column < cast(window.start, column.type))
    if window.end is not None:
        found.append(column >= cast(window.end, column.type))
    return delete(table).where(or_(false(), *found))
