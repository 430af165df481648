"""Changes as the outbox in the source's database tells them, in order of commit.

A position is the snapshot up to which everything was read. Each reading takes the next snapshot and asks for the
transactions that are visible in it and were not in the last one: a transaction that wrote early and committed late is
in the difference, and one that is still open keeps nobody waiting.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import URL

from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.event import Change, Operation, Piece, Position, Way
from groundwork.flow.capture.outbox import CHANNEL
from groundwork.flow.capture.row_text import row_of
from groundwork.flow.faults import database_faults

_PIECE = 1000  # changes handed out at once
_POLL_SECONDS = 1.0  # longest wait when a notification got lost
_NOTE_SECONDS = 2.0  # how often the source is told where we are
_KEEP = "1 minute"  # for live subscriptions, which read the same rows
# The shape is forced (commits first, then the changes of each by index): on a table that is filled and emptied all the
# time the planner's statistics are always of another moment, and its guess was measured to be slower a hundredfold.
_COMMITS = """
WITH told AS MATERIALIZED (
  SELECT c.xid, c.number, c.committed_at FROM groundwork_flow.change_commit AS c
  WHERE c.xid >= pg_snapshot_xmin(%(done)s::pg_snapshot) AND c.xid < pg_snapshot_xmax(%(upto)s::pg_snapshot)
    AND NOT pg_visible_in_snapshot(c.xid, %(done)s::pg_snapshot)
    AND pg_visible_in_snapshot(c.xid, %(upto)s::pg_snapshot) AND c.number > %(number)s)
"""
_CHANGES = """
FROM told AS c CROSS JOIN LATERAL (
  SELECT * FROM groundwork_flow.change AS each WHERE each.xid = c.xid
    AND each.schema_name || '.' || each.table_name = ANY(%(tables)s) OFFSET 0) AS ch
"""
_READ = (
    _COMMITS
    + """
SELECT c.xid::text AS transaction, c.number, c.committed_at, ch.change_id, ch.operation, ch.schema_name, ch.table_name,
       ch.names, ch.before, ch.after
"""
    + _CHANGES
    + " ORDER BY c.number, ch.change_id"
)
_PRUNE = """
WITH oldest AS (SELECT min(pg_snapshot_xmin(done::pg_snapshot)::text::numeric)::text::xid8 AS xid
                FROM groundwork_flow.change_reader WHERE NOT is_lost),
gone AS (DELETE FROM groundwork_flow.change AS ch USING oldest
         WHERE ch.xid < oldest.xid AND ch.changed_at < now() - %(keep)s::interval
           AND ch.schema_name || '.' || ch.table_name IN (SELECT unnest(tables) FROM groundwork_flow.change_reader))
DELETE FROM groundwork_flow.change_commit AS c USING oldest
WHERE c.xid < oldest.xid AND c.committed_at < now() - 2 * %(keep)s::interval
  AND NOT EXISTS (SELECT FROM groundwork_flow.change AS ch WHERE ch.xid = c.xid)
"""


def outbox_position(snapshot: str) -> Position:
    """The position behind everything that is visible in `snapshot`."""
    return {"way": str(Way.OUTBOX), "done": snapshot}


class OutboxReader:
    """Reads the outbox from a position on; use as a context. Raises: RetriableError when the connection is lost."""

    def __init__(self, url: URL, reader: str, tables: frozenset[str], position: Position) -> None:
        self._url, self._reader, self._tables = url, reader, sorted(tables)
        self._done = str(position["done"])
        self._upto = str(position["upto"]) if "upto" in position else None
        self._number = int(position.get("number", 0))
        self._context = source_connection(url)
        self._connection: psycopg.Connection[Any] | None = None
        self._pieces: Generator[Piece, None, None] | None = None
        self._looks = self._wanted_looks = 0
        self._news: Position | None = None
        self._noted_at = 0.0

    def __enter__(self) -> OutboxReader:
        """Connect and listen."""
        self._connection = self._context.__enter__()
        self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
        return self

    def __exit__(self, *_: object) -> None:
        """End the reading."""
        try:
            if self._pieces is not None:
                with suppress(psycopg.Error):  # a connection that is gone ends the reading too
                    self._pieces.close()
        finally:
            self._context.__exit__(None, None, None)

    def next(self, timeout_seconds: float) -> Piece | None:
        """The next changes, or null when none came within the time."""
        deadline = time.monotonic() + timeout_seconds
        with database_faults(self._reader):
            while True:
                if self._pieces is None:
                    self._pieces = self._look()
                found = next(self._pieces, None)
                if found is not None:
                    return found
                self._pieces = None
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                list(self._open.notifies(timeout=min(left, _POLL_SECONDS), stop_after=1))

    def _look(self) -> Generator[Piece, None, None]:
        """What became visible since the last look, transaction by transaction; the connection is busy meanwhile."""
        is_fresh = self._upto is None  # else the rest of a look of somebody before us
        upto = self._upto or self._snapshot()
        changes: list[Change] = []
        last: Mapping[str, Any] | None = None
        number = 0
        bounds = {"done": self._done, "upto": upto, "number": self._number, "tables": self._tables}
        with self._open.transaction(), _server_cursor(self._open, "outbox") as cursor:
            self._open.execute("SET LOCAL enable_seqscan = off")
            for row in cursor.execute(_READ, bounds):
                is_next = last is not None and row["number"] != last["number"]
                if last is not None and (is_next or len(changes) >= _PIECE):
                    yield self._piece(changes, last, upto, ends=is_next)
                    changes = []
                number = 1 if is_next else number + 1
                changes.append(_change(row, number))
                last = row
        if last is not None:
            yield self._piece(changes, last, upto, ends=True)
        self._done, self._upto, self._number = upto, None, 0
        self._looks += is_fresh
        self._news = outbox_position(upto)

    def _piece(self, changes: list[Change], row: Mapping[str, Any], upto: str, *, ends: bool) -> Piece:
        position = {**outbox_position(self._done), "upto": upto, "number": row["number"]} if ends else None
        return Piece(changes=tuple(changes), committed_at=row["committed_at"], position=position)

    def _snapshot(self) -> str:
        row = self._open.execute("SELECT pg_current_snapshot()::text").fetchone()
        return str(row[0]) if row else self._done

    @property
    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise RuntimeError("the reader is used outside of its `with` block")
        return self._connection

    def idle_position(self) -> Position | None:
        """Behind everything that the last look saw; null when nobody looked since. Only after null of `next`."""
        news, self._news = self._news, None
        return news

    def aim(self) -> None:
        """Let `has_arrived` mean: everything that is committed by now was told."""
        self._wanted_looks = self._looks + (2 if self._pieces is not None else 1)

    @property
    def has_arrived(self) -> bool:
        """Whether a look that began after `aim` has told everything."""
        return self._looks >= self._wanted_looks

    def settled(self, position: Position) -> None:
        """Tell the source that everything before `position` is safe here; old rows of the outbox go."""
        now = time.monotonic()
        if now - self._noted_at < _NOTE_SECONDS or self._pieces is not None:
            return
        self._noted_at = now
        with database_faults(self._reader), self._open.transaction():
            note = "UPDATE groundwork_flow.change_reader SET done = %s, heartbeat_at = clock_timestamp() "
            self._open.execute(note + "WHERE reader = %s", (position["done"], self._reader))
            self._open.execute(_PRUNE, {"keep": _KEEP})


@contextmanager
def _server_cursor(connection: psycopg.Connection[Any], name: str) -> Iterator[psycopg.ServerCursor[dict[str, Any]]]:
    """A cursor of the server that is closed at the end, also where its connection was cut.

    Psycopg 3.3 tells the server first and leaves the cursor open when that fails, which is a ResourceWarning somewhere
    else, at some later time.
    """
    cursor = connection.cursor(name=name, row_factory=dict_row)
    cursor.itersize = _PIECE
    try:
        yield cursor
    finally:
        try:
            cursor.close()
        except psycopg.Error:
            connection.close()
            cursor.close()
            raise


def _change(row: Mapping[str, Any], number: int) -> Change:
    return Change(
        operation=Operation(row["operation"]),
        schema=row["schema_name"],
        table=row["table_name"],
        before=row_of(row["before"], row["names"] or ()),
        after=row_of(row["after"], row["names"] or ()),
        transaction=row["transaction"],
        number=number,
        committed_at=row["committed_at"],
    )


@dataclass(frozen=True, kw_only=True)
class OutboxPending:
    """What waits in the outbox behind a position; `oldest_at` is when the first of it was committed."""

    rows: int
    size_bytes: int
    oldest_at: datetime | None


def outbox_pending(connection: psycopg.Connection[Any], position: Position, tables: Sequence[str]) -> OutboxPending:
    """What a reader at `position` has not read yet; reads all of it on the server."""
    bounds = {"done": position["done"], "number": -1, "tables": list(tables)}
    snapshot = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    measured = "SELECT count(*), coalesce(sum(pg_column_size(ch.*)), 0)::bigint, min(c.committed_at) "
    beyond = "WHERE (c.number > %(behind)s OR NOT pg_visible_in_snapshot(c.xid, %(half)s::pg_snapshot))"
    bounds |= {"upto": snapshot[0] if snapshot else position["done"], "behind": int(position.get("number", -1))}
    bounds["half"] = position.get("upto", position["done"])
    rows, size, oldest = connection.execute(_COMMITS + measured + _CHANGES + beyond, bounds).fetchone() or (0, 0, None)
    return OutboxPending(rows=rows, size_bytes=size, oldest_at=oldest)
