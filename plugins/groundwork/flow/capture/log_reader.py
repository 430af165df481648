"""Changes as the source streams them out of its log.

The server pushes each committed transaction as soon as its commit is on disk; nothing is polled and no log is decoded
twice, which is what asking `pg_logical_slot_peek_binary_changes` again and again would cost.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from sqlalchemy import URL

from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.event import Change, Operation, Piece, Position, Way
from groundwork.flow.capture.lsn import lsn_number, lsn_text
from groundwork.flow.capture.protocol import Begin, Commit, Decoder, Delete, Insert, Message, Relation, Truncate, Update
from groundwork.flow.capture.wire import SlotInUseError, Wire
from groundwork.model.errors import RetriableError

_PIECE = 1000  # changes handed out at once
_SLOT_SECONDS = 15.0  # a slot whose reader was killed is free once the server has noticed
_ASK_SECONDS = 0.2  # how often the server is asked where it is
_STATUS_SECONDS = 5.0  # a server takes a reader that is silent for a minute for dead
_RECORD_BYTES = 128  # the end of the log is at most so far behind the last record: the head of a page
_SETTLED_SECONDS = 1.0  # and then the server has had time to say so


def log_position(lsn: int) -> Position:
    """The position behind which nothing was read."""
    return {"way": str(Way.LOG), "lsn": lsn_text(lsn)}


class LogReader:
    """Reads one slot from a position on; use as a context. Raises: RetriableError when the connection is lost."""

    def __init__(self, url: URL, slot: str, position: Position) -> None:
        self._url, self._slot = url, slot
        self._safe = lsn_number(str(position["lsn"]))
        self._decoder = Decoder()
        self._open: Wire | None = None
        self._begin: Begin | None = None
        self._goal = 0
        self._number = 0
        self._heard = self._told = self._safe
        self._moved_at = self._asked_at = time.monotonic()

    def __enter__(self) -> LogReader:
        """Connect and begin to stream, waiting for a reader before that died."""
        deadline = time.monotonic() + _SLOT_SECONDS
        while True:
            self._open = Wire(self._url, self._slot)
            try:
                self._open.start(lsn_text(self._safe))
            except RetriableError as error:
                self._open.close()
                if not isinstance(error, SlotInUseError) or time.monotonic() > deadline:
                    raise
                time.sleep(_ASK_SECONDS)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        """End the stream."""
        if self._open is not None:
            self._open.close()

    @property
    def _wire(self) -> Wire:
        if self._open is None:
            raise RuntimeError("the reader is used outside of its `with` block")
        return self._open

    def next(self, timeout_seconds: float) -> Piece | None:
        """The next changes, or null when none came within the time."""
        deadline = time.monotonic() + timeout_seconds
        changes: list[Change] = []
        while True:
            left = deadline - time.monotonic()
            message = self._wire.receive(max(min(left, _ASK_SECONDS), 0))
            self._answer(is_waiting=message is None and left > 0)
            if message is not None:
                piece = self._take(self._decoder.decode(message), changes)
                if piece is not None:
                    return piece
            elif left <= 0:
                return self._piece(changes) if changes else None

    def _answer(self, *, is_waiting: bool) -> None:
        """Tell the server where we are: when it asks, every few seconds, and to be told where it is while we wait."""
        since = time.monotonic() - self._asked_at
        wants_answer = is_waiting and since > _ASK_SECONDS
        if self._wire.asks or wants_answer or since > _STATUS_SECONDS:
            self._asked_at, self._wire.asks = time.monotonic(), False
            self._wire.tell(self._safe, wants_answer=wants_answer)

    def _take(self, message: Message, changes: list[Change]) -> Piece | None:
        if isinstance(message, Begin):
            self._begin, self._number = message, 0
        elif isinstance(message, Commit):
            self._begin = None
            self._hear(message.end_lsn)
            self._told = message.end_lsn
            position = log_position(message.end_lsn)
            return Piece(changes=tuple(changes), committed_at=message.committed_at, position=position)
        elif isinstance(message, Insert | Update | Delete | Truncate):
            changes += self._changes(message)
            if len(changes) >= _PIECE:
                return self._piece(changes)
        return None

    def _piece(self, changes: list[Change]) -> Piece:
        return Piece(changes=tuple(changes), committed_at=self._committed_at, position=None)

    @property
    def _committed_at(self) -> datetime:
        if self._begin is None:
            raise RetriableError("the source sent a change outside of a transaction", where=self._slot)
        return self._begin.committed_at

    def _changes(self, message: Insert | Update | Delete | Truncate) -> list[Change]:
        if isinstance(message, Truncate):
            return [self._change(Operation.TRUNCATE, relation, None, None) for relation in message.relations]
        if isinstance(message, Insert):
            return [self._change(Operation.INSERT, message.relation, None, message.after)]
        if isinstance(message, Delete):
            return [self._change(Operation.DELETE, message.relation, message.before, None)]
        told = self._change(Operation.UPDATE, message.relation, message.before, message.after, message.unchanged)
        return [told]

    def _change(
        self, operation: Operation, relation: Relation, before: Any, after: Any, unchanged: frozenset[str] = frozenset()
    ) -> Change:
        self._number += 1
        return Change(
            operation=operation,
            schema=relation.schema,
            table=relation.name,
            before=before,
            after=after,
            transaction=str(self._begin.transaction if self._begin else ""),
            number=self._number,
            committed_at=self._committed_at,
            unchanged=unchanged,
        )

    def _hear(self, lsn: int) -> None:
        if lsn > self._heard:
            self._heard, self._moved_at = lsn, time.monotonic()

    def idle_position(self) -> Position | None:
        """Up to where the server has told everything, when no transaction is half told; null when there is no news.

        Only right after `next` returned null.
        """
        if self._begin is not None:
            return None
        self._hear(self._wire.heard)
        if self._heard <= self._told:
            return None
        self._told = self._heard
        return log_position(self._heard)

    def aim(self) -> None:
        """Let `has_arrived` mean: everything that is committed by now was told."""
        with source_connection(self._url) as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        self._goal = lsn_number(str(row[0] if row else "0/0"))

    @property
    def has_arrived(self) -> bool:
        """Whether everything up to the goal was told."""
        if self._begin is not None:
            return False
        self._hear(self._wire.heard)
        is_quiet = time.monotonic() - self._moved_at > _SETTLED_SECONDS
        return self._heard >= self._goal or (is_quiet and self._heard >= self._goal - _RECORD_BYTES)

    def settled(self, position: Position) -> None:
        """Tell the source that everything before `position` is safe here."""
        self._safe = lsn_number(str(position["lsn"]))
        self._wire.tell(self._safe)
