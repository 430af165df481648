"""The short way: records straight into an empty table, in one transaction, checked on their way.

Taken when the table is empty and no value has to be made by the load. Clean records go into the table by COPY while the
next ones are sifted; doubtful ones are examined between. The server holds keys and constraints; what neither the sieve
nor a constraint has proven is asked for in one scan at the end. Anything in doubt (a repeated key, an orphan) takes the
attempt back, and the load starts again through the waiting tables, where each faulty record gets its reasons. A failed
attempt costs the time up to the first fault and dead rows that vacuum takes away; it never costs a row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
from psycopg import sql
from sqlalchemy import Connection, insert, literal_column, select, text
from sqlalchemy.exc import DataError, IntegrityError

from groundwork.flow.ahead import ahead
from groundwork.flow.books import LoadResult, close_books
from groundwork.flow.driver import copy_statement, driver_connection
from groundwork.flow.loads.examination import Examination
from groundwork.flow.loads.fill import examination, examine
from groundwork.flow.loads.job import Job
from groundwork.flow.loads.progress import Teller
from groundwork.flow.loads.publication import load_result, open_load
from groundwork.flow.loads.publish import Published, unique_keys
from groundwork.flow.loads.row_checks import RowChecks
from groundwork.flow.loads.session import transaction_settings
from groundwork.flow.loads.threshold import Verdict
from groundwork.flow.loads.vector import Sieve
from groundwork.flow.record import Record
from groundwork.flow.statement import changed_rows
from groundwork.flow.watermark import Watermark
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind, WriteMode

RESUMABLE_BYTES = 1 << 30  # what is larger goes the way that can be taken up again
_PENDING = 20_000  # doubtful records that are held in memory before they are examined
_MODES = (WriteMode.APPEND, WriteMode.MERGE, WriteMode.REPLACE)
_UNIQUE_INDEXES = text(
    """
    SELECT array_agg(attribute.attname ORDER BY attribute.attname) AS columns
    FROM pg_index AS index
    CROSS JOIN LATERAL unnest(index.indkey) AS key (number)
    JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = key.number
    WHERE index.indrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text)))
      AND index.indisunique AND index.indisvalid AND index.indpred IS NULL AND index.indexprs IS NULL
    GROUP BY index.indexrelid
    """
)
_CONSTRAINTS = text(
    """
    SELECT contype, conname, (
      SELECT array_agg(attribute.attname ORDER BY attribute.attname)
      FROM unnest(conkey) AS key (number)
      JOIN pg_attribute AS attribute ON attribute.attrelid = conrelid AND attribute.attnum = key.number
    ) AS columns
    FROM pg_constraint
    WHERE conrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text)))
      AND contype IN ('c', 'f') AND convalidated
    """
)


class _DoubtError(Exception):
    """The short way cannot be gone to its end."""


def load_directly(connection: Connection, job: Job, started: float, *, is_part: bool = False) -> LoadResult | None:
    """The books of the load, or null when nothing was done because the long way is due.

    A part of a load is tried even when the table has rows, because other parts bring them meanwhile.
    """
    with connection.begin():
        checks = job.checks(connection)
        if not _is_possible(connection, job) or not (is_part or _is_empty(connection, job)):
            return None
    sieve = job.sieve(checks)
    try:
        with connection.begin():
            transaction_settings(connection)
            return _DirectLoad(connection, job, checks, sieve, started).run()
    except (_DoubtError, psycopg.DataError, psycopg.IntegrityError):
        return None
    finally:
        sieve.close()


def _is_possible(connection: Connection, job: Job) -> bool:
    contract, source = job.contract, job.source
    if job.before_publish is not None:  # its rows must be seen by other connections, and wait when it refuses them
        return False
    if job.mode not in _MODES or (source.size_bytes or 0) > RESUMABLE_BYTES:
        return False
    if any(contract.column(name).default is not None for name in source.columns) or _is_begun(connection, job):
        return False
    keys = [(contract.primary_key, None), *((key.columns, key.condition) for key in unique_keys(contract))]
    names = {"schema": job.target.schema, "name": job.target.name}
    enforced = [set(columns) for columns in connection.scalars(_UNIQUE_INDEXES, names)]
    return bool(contract.primary_key) and all(
        condition is None and set(columns) in enforced for columns, condition in keys
    )


def _is_begun(connection: Connection, job: Job) -> bool:
    """Whether a try of the same load went the long way, so that rows wait already."""
    plan = job.plan((job.source,))
    return plan is not None and any(state.plan == plan and state.read for state in job.area.states(connection))


def _is_empty(connection: Connection, job: Job) -> bool:
    return connection.execute(select(literal_column("1")).select_from(job.target).limit(1)).first() is None


class _DirectLoad:
    """One attempt, in one transaction."""

    def __init__(self, connection: Connection, job: Job, checks: RowChecks, sieve: Sieve, started: float) -> None:
        self.connection = connection
        self.job = job
        self.checks = checks
        self.sieve = sieve
        self.started = started
        self.watermark = Watermark.declared(connection, job.contract, job.schema)
        self.before = self.watermark.values() if self.watermark else {}
        self.quarantine = open_load(connection, job, self.before, [job.source.description])
        self.examined: Examination = examination(connection, job, job.source)
        self.teller = Teller(table=job.name, listener=job.progress, bytes_total=job.source.size_bytes)
        self.pending: list[Record] = []
        self.read = self.outside = self.loaded = self.rejected = self.copied = 0
        is_resumable = job.source.fingerprint is not None
        self.most_bytes = RESUMABLE_BYTES if is_resumable and job.source.size_bytes is None else None

    def run(self) -> LoadResult:
        with ahead(self._sifted()) as sifted:
            while self._copy(sifted):
                self._examine()
        self._examine()
        if not self.checks.all_hold(self.job.target, self.sieve.proven | self._enforced()):
            raise _DoubtError
        read = self.read - self.outside
        if self.job.threshold.verdict(self.rejected, read) is not Verdict.CONTINUE:
            raise _DoubtError  # the long way tells it, and keeps what it found
        if self.watermark is not None:
            self.watermark.advance(self.job.target, self.quarantine.load_id)
        result = load_result(
            self.job,
            self.quarantine,
            Published(loaded=self.loaded, quarantined=self.rejected),
            read=read,
            watermark_before=self.before,
            watermark_after=self.watermark.values() if self.watermark else {},
            checksum=self.job.source.checksum(),
            seconds=time.monotonic() - self.started,
            is_direct=True,
        )
        close_books(self.connection, result)
        self.teller.tell()
        return result

    def _sifted(self) -> Iterator[tuple[int, int, bytes, tuple[Record, ...]]]:
        """Per batch: records, those outside of the window, clean text, doubtful records; in a thread of its own."""
        first = 1
        for batch in self.job.source.batches():
            found = self.sieve.sift(batch, first, with_positions=False)
            if found is None:
                records = tuple(batch.records(first))
                yield len(records), 0, b"", records
                first += len(records)
            else:
                yield found.count, found.outside, found.clean, found.doubtful
                first += found.count

    def _copy(self, sifted: Iterator[tuple[int, int, bytes, tuple[Record, ...]]]) -> bool:
        """One COPY, ended early when too many records are pending; False when the source is at its end."""
        target = sql.Identifier(self.job.target.schema or "", self.job.target.name)
        driver = driver_connection(self.connection)
        is_at_end = True
        with driver.cursor() as cursor:
            with cursor.copy(copy_statement(target, self.job.source.columns)) as copy:
                for count, outside, clean, doubtful in sifted:
                    if clean:
                        copy.write(clean)
                    self.copied += len(clean)
                    if self.most_bytes is not None and self.copied > self.most_bytes:
                        raise _DoubtError  # nobody knew before that it is so large
                    self.read += count
                    self.outside += outside
                    self.pending += doubtful
                    self.teller.add(count - outside, len(clean))
                    if len(self.pending) > _PENDING:
                        is_at_end = False
                        break
            self.loaded += cursor.rowcount
        return not is_at_end

    def _examine(self) -> None:
        """Let the server judge what is pending: good records go in, the others to quarantine."""
        if not self.pending:
            return
        records, self.pending = self.pending, []
        outside, judged = examine(self.connection, self.job, self.examined, self.checks, records)
        self.outside += outside
        names = self.job.source.columns
        rows = select(*(self.examined.table.c[name] for name in names))
        try:
            self.loaded += changed_rows(self.connection, insert(self.job.target).from_select(list(names), rows))
        except (IntegrityError, DataError) as error:
            raise _DoubtError from error
        self.rejected += self.quarantine.reject(
            [(each.record.position, each.record.raw, each.reasons) for each in judged]
        )

    def _enforced(self) -> set[str]:
        """Checks that the table's own constraints have held."""
        names = {"schema": self.job.target.schema, "name": self.job.target.name}
        rows = self.connection.execute(_CONSTRAINTS, names).all()
        conditions = {row.conname for row in rows if row.contype == "c"}
        keys = {tuple(row.columns) for row in rows if row.contype == "f"}
        return {check.id for check in self.checks.checks if _is_held(check, conditions, keys)}


def _is_held(check: Check, conditions: set[str], keys: set[tuple[str, ...]]) -> bool:
    if check.kind is CheckKind.EXPRESSION:
        return check.id.removeprefix(f"{check.schema}.{check.table}.").removesuffix(".expression") in conditions
    return check.kind is CheckKind.REFERENCES and tuple(sorted(check.columns)) in keys
