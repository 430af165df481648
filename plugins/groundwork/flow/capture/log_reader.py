"""Changes as the source streams them out of its log.

The server pushes each committed transaction as soon as its commit is on disk; nothing is polled and no log is decoded
twice, which is what asking `pg_logical_slot_peek_binary_changes` again and again would cost.
"""

from __future__ import annotations

import select as waiting
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL

from groundwork.flow.capture.connect import place, replication_connection, source_connection
from groundwork.flow.capture.event import Change, Operation, Piece, Position, Way
from groundwork.flow.capture.lsn import lsn_number, lsn_text
from groundwork.flow.capture.protocol import Begin, Commit, Decoder, Delete, Insert, Message, Relation, Truncate, Update
from groundwork.model.errors import RetriableError

if TYPE_CHECKING:
    from psycopg2.extras import LogicalReplicationConnection, ReplicationCursor

_PIECE = 1000  # changes handed out at once
_SLOT_SECONDS = 15.0  # a slot whose reader was killed is free once the server has noticed
_ASK_SECONDS = 0.2  # how often the server is asked where it is
_RECORD_BYTES = 128  # the end of the log is at most so far behind the last record: the head of a page
_SETTLED_SECONDS = 1.0  # and then the server has had time to say so


def log_position(lsn: int) -> Position:
    """The position behind which nothing was read."""
    return {"way": str(Way.LOG), "lsn": lsn_text(lsn)}


class LogReader:
    """Reads one slot from a position on; use as a context. Raises: RetriableError when the connection is lost."""

    def __init__(self, url: URL, slot: str, position: Position) -> None:
        self._url, self._slot = url, slot
        self._start = lsn_number(str(position["lsn"]))
        self._decoder = Decoder()
        self._connection: LogicalReplicationConnection | None = None
        self._streaming: ReplicationCursor | None = None
        self._begin: Begin | None = None
        self._goal = 0
        self._number = 0
        self._heard = self._told = self._start
        self._moved_at = self._asked_at = time.monotonic()

    def __enter__(self) -> LogReader:
        """Connect and begin to stream, waiting for a reader before that died."""
        import psycopg2

        deadline = time.monotonic() + _SLOT_SECONDS
        while True:
            self._connection = replication_connection(self._url)
            self._streaming = self._connection.cursor()
            try:
                self._cursor.start_replication(
                    slot_name=self._slot,
                    start_lsn=self._start,
                    decode=False,
                    options={"proto_version": "1", "publication_names": self._slot},
                )
            except psycopg2.Error as error:
                self._connection.close()
                if not isinstance(error, psycopg2.errors.ObjectInUse) or time.monotonic() > deadline:
                    raise self._lost(error) from error
                time.sleep(_ASK_SECONDS)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        """End the stream."""
        if self._connection is not None:
            self._connection.close()

    @property
    def _cursor(self) -> ReplicationCursor:
        if self._streaming is None:
            raise RuntimeError("the reader is used outside of its `with` block")
        return self._streaming

    def _feedback(self, **facts: Any) -> None:
        send: Callable[..., None] = self._cursor.send_feedback
        send(force=True, **facts)

    def next(self, timeout_seconds: float) -> Piece | None:
        """The next changes, or null when none came within the time."""
        import psycopg2

        deadline = time.monotonic() + timeout_seconds
        changes: list[Change] = []
        try:
            while True:
                message = self._cursor.read_message()
                if message is not None:
                    piece = self._take(self._decoder.decode(message.payload), changes)
                    if piece is not None:
                        return piece
                    continue
                left = deadline - time.monotonic()
                if left <= 0:
                    return self._piece(changes) if changes else None
                self._wait(left)
        except psycopg2.Error as error:
            raise self._lost(error) from error

    def _wait(self, seconds: float) -> None:
        now = time.monotonic()
        if now - self._asked_at > _ASK_SECONDS:
            self._asked_at = now
            self._feedback(reply=True)
        waiting.select([self._cursor], [], [], min(seconds, _ASK_SECONDS))

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
        self._hear(int(self._cursor.wal_end or 0))
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
        self._hear(int(self._cursor.wal_end or 0))
        is_quiet = time.monotonic() - self._moved_at > _SETTLED_SECONDS
        return self._heard >= self._goal or (is_quiet and self._heard >= self._goal - _RECORD_BYTES)

    def settled(self, position: Position) -> None:
        """Tell the source that everything before `position` is safe here."""
        import psycopg2

        try:
            self._feedback(flush_lsn=lsn_number(str(position["lsn"])))
        except psycopg2.Error as error:
            raise self._lost(error) from error

    def _lost(self, error: Exception) -> RetriableError:
        return RetriableError(
            "the source ended the replication stream",
            where=f"{self._slot} at {place(self._url)}",
            found=str(error).strip().split("\n")[0],
            next_step="run it again: it goes on where it was",
        )
