"""A consumer of a stream: changes are applied in the order of the source's commits, batch by batch.

A batch holds whole transactions of the source. Its rows, its books and the position behind it commit together in the
warehouse, and only then the source is told, so that a consumer that dies anywhere goes on without a change lost or
applied twice. Handed to a function instead, changes come at least once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Connection, Engine, RootTransaction, func

from groundwork.contracts.contract import Domain
from groundwork.flow.capture import ledger
from groundwork.flow.capture.apply import Applier
from groundwork.flow.capture.begin import Reader, begin
from groundwork.flow.capture.books import StreamBooks
from groundwork.flow.capture.consumer_session import consumer_session, failures_counted
from groundwork.flow.capture.declaration import Stream
from groundwork.flow.capture.event import Change, Piece
from groundwork.flow.faults import database_faults
from groundwork.model.errors import RetriableError

_BATCH = 5_000  # changes applied at once; measured: larger ones only add memory and delay
_WAIT_SECONDS = 0.5  # longest wait for a change before stop and heartbeat are looked at
_LOOK_SECONDS = 0.02  # the same, for a drain that ends as soon as all is there
_OVERTIME_SECONDS = 60.0  # for the rest of a transaction, when the time is over
_NOTE_SECONDS = 2.0  # how often an idle consumer writes where it is


@dataclass(frozen=True, kw_only=True)
class Consumed:
    """What one consumer did; `warnings` are for who runs the source.

    `books` is table → count → records, see `groundwork.flow.capture.books`.
    """

    stream: str
    way: str
    reason: str
    had_snapshot: bool
    changes: int
    transactions: int
    seconds: float
    is_caught_up: bool
    warnings: tuple[str, ...] = ()
    books: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without any value of a row."""
        return {**self.__dict__, "books": {name: dict(counts) for name, counts in self.books.items()}}

    def __str__(self) -> str:
        first = "a snapshot, then " if self.had_snapshot else ""
        told = f"{self.changes} changes in {self.transactions} transactions"
        return f"{self.stream} ({self.way}): {first}{told} ({self.seconds:.2f} s)"


def consume(  # noqa: PLR0913  what, from where, into where; all others have a default
    stream: Stream,
    source: URL,
    target: Engine,
    domain: Domain,
    *,
    run_id: str,
    seconds: float = 3600,
    until_caught_up: bool = False,
    handler: Callable[[Sequence[Change]], None] | None = None,
    schemas: Mapping[str, str] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    batch_rows: int = _BATCH,
) -> Consumed:
    """Apply the changes of `source` to the tables in `target` for at most `seconds`, or until all of now is there.

    The first call takes a snapshot. With a `handler` the changes go to it instead, at least once and without a
    snapshot. `schemas` is target table (`schema.table`) → schema where it stands. Raises: ConfigError when the source
    does not let changes be captured; RetriableError when a connection is lost or another consumer is at work;
    SkippableError when a person stopped the stream.
    """
    started = time.monotonic()
    with (
        database_faults(stream.name),
        consumer_session(target, stream.name) as connection,
        failures_counted(connection, stream.name),
    ):
        books = StreamBooks(run_id=run_id, source=f"stream {stream.name}")
        applier = None
        if handler is None:
            applier = Applier(
                connection=connection, domain=domain, tables=stream.tables, books=books, schemas=schemas or {}
            )
        begun = begin(stream, source, connection, applier)
        with begun.reader as reader:
            loop = _Loop(
                stream=stream, connection=connection, reader=reader, apply=handler or _applied(applier), rows=batch_rows
            )
            is_caught_up = loop.run(started + seconds, until_caught_up=until_caught_up, is_stopped=is_stopped)
    return Consumed(
        stream=stream.name,
        way=begun.capability.way,
        reason=begun.capability.reason,
        had_snapshot=begun.had_snapshot,
        changes=loop.changes,
        transactions=loop.transactions,
        seconds=time.monotonic() - started,
        is_caught_up=is_caught_up,
        warnings=begun.capability.warnings,
        books=books.counts,
    )


def _applied(applier: Applier | None) -> Callable[[Sequence[Change]], None]:
    if applier is None:
        raise RuntimeError("a consumer without handler needs an applier")
    return applier.apply


@dataclass(kw_only=True)
class _Loop:
    """Reading and applying until it is time to end."""

    stream: Stream
    connection: Connection
    reader: Reader
    apply: Callable[[Sequence[Change]], None]
    rows: int
    changes: int = 0
    transactions: int = 0
    _waiting: list[Change] = field(default_factory=list)
    _last: Piece | None = None
    _open: RootTransaction | None = None
    _uncommitted: int = 0
    _hour: int | None = None
    _noted_at: float = 0.0
    _asked_at: float = 0.0

    def run(self, deadline: float, *, until_caught_up: bool, is_stopped: Callable[[], bool]) -> bool:
        """Until the deadline, or all is told; whether it was all."""
        longest = _LOOK_SECONDS if until_caught_up else _WAIT_SECONDS
        if until_caught_up:
            self.reader.aim()
        try:
            while True:
                is_between = self._last is None or self._last.position is not None
                has_work = self._last is not None and is_between
                piece = self.reader.next(0 if has_work else longest)
                if piece is not None:
                    self._waiting += piece.changes
                    self._last = piece
                    self.transactions += piece.position is not None
                    if len(self._waiting) >= self.rows:
                        self._write()
                elif self._last is not None:
                    self._write()
                else:
                    self._note()
                if self._last is None or self._last.position is not None:
                    is_late = time.monotonic() >= deadline or is_stopped() or not self._is_wanted()
                    if is_late or (piece is None and until_caught_up and self.reader.has_arrived):
                        break
                elif time.monotonic() > deadline + _OVERTIME_SECONDS:
                    raise RetriableError("the source stopped in the middle of a transaction", where=self.stream.name)
            self._write()
            if piece is None:
                self._note(is_last=True)
            return until_caught_up and self.reader.has_arrived
        finally:
            if self._open is not None and self._open.is_active:
                self._open.rollback()

    def _write(self) -> None:
        """Apply what waits; commit when the source's transaction is whole."""
        if self._last is None:
            return
        if self._open is None:
            self._open = self.connection.begin()
        if self._waiting:
            self.apply(self._waiting)
        self.changes += len(self._waiting)
        self._uncommitted += len(self._waiting)
        self._waiting = []
        if self._last.position is not None:
            ledger.move(
                self.connection,
                self.stream.name,
                self._last.position,
                changes=self._uncommitted,
                committed_at=self._last.committed_at,
            )
            self._tell_hour()
            self._open.commit()
            position = self._last.position
            self._open, self._last, self._uncommitted = None, None, 0  # also when the source cannot be told any more
            self.reader.settled(position)

    def _note(self, *, is_last: bool = False) -> None:
        """Write where an idle consumer is, so that the source may forget what concerned others."""
        now = time.monotonic()
        if now - self._noted_at < _NOTE_SECONDS and not is_last:
            return
        self._noted_at = now
        position = self.reader.idle_position()
        with self.connection.begin():
            if position is not None:
                ledger.move(self.connection, self.stream.name, position)
            ledger.change(self.connection, self.stream.name, caught_up_at=func.clock_timestamp())
            self._tell_hour()
        if position is not None:
            self.reader.settled(position)

    def _tell_hour(self) -> None:
        """Record, once an hour, that the stream is at work."""
        hour = int(time.time() // 3600)
        if hour != self._hour:
            self._hour = hour
            ledger.at_work(self.connection, self.stream.name)

    def _is_wanted(self) -> bool:
        """Whether nobody stopped the stream; asked about twice a second."""
        now = time.monotonic()
        if self._open is not None or now - self._asked_at < _WAIT_SECONDS:
            return True
        self._asked_at = now
        with self.connection.begin():
            row = ledger.find(self.connection, self.stream.name)
        return row is not None and bool(row["is_wanted"])
