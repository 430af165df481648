"""Changed rows of watched tables, told to whoever listens the moment they are committed.

The outbox is the truth and the notification only the bell: on each ring a subscription reads everything that became
visible since it last looked, in order of commit. Who was away hands in the bookmark of the last time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import URL, make_url

from groundwork.flow.capture.outbox import CHANNEL
from groundwork.flow.faults import database_faults

_READ = """
SELECT ch.change_id, ch.schema_name AS schema, ch.table_name AS table, ch.key, ch.operation, ch.changed_at,
       clock_timestamp() AS received_at, pg_current_snapshot()::text AS seen
FROM groundwork_flow.change_commit AS c JOIN groundwork_flow.change AS ch ON ch.xid = c.xid
WHERE c.xid >= pg_snapshot_xmin(%(after)s::pg_snapshot) AND NOT pg_visible_in_snapshot(c.xid, %(after)s::pg_snapshot)
ORDER BY c.number, ch.change_id
"""


@dataclass(frozen=True, kw_only=True)
class ChangeEvent:
    """One changed row; `key` is its primary key, `operation` insert, update, delete or truncate (then no key).

    `changed_at` is when the statement wrote it and `received_at` when the subscriber had it, both by the server's
    clock, so that their difference is a lag that no two clocks falsify. It includes the time until the commit.
    """

    change_id: int
    schema: str
    table: str
    key: Mapping[str, Any]
    operation: str
    changed_at: datetime
    received_at: datetime

    @property
    def lag_seconds(self) -> float:
        """From the statement to the subscriber."""
        return (self.received_at - self.changed_at).total_seconds()


class Subscription:
    """A listening connection of its own; use as a context manager, listening begins on entry.

    Raises: RetriableError when the connection cannot be made or is lost.
    """

    def __init__(self, url: URL | str, tables: Sequence[str] = ()) -> None:
        """`url` is an SQLAlchemy URL with its password; `tables` are `schema.table` names, all tables when empty."""
        self._url = make_url(url)
        self._tables = frozenset(tables)
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._waiting: deque[ChangeEvent] = deque()
        self._seen = ""
        self._bookmark = ""

    @property
    def bookmark(self) -> str:
        """Behind everything that `events` has handed out; keep it and give it to `events(after=...)` another time."""
        return self._bookmark

    def __enter__(self) -> Subscription:
        """Connect and listen."""
        with database_faults(CHANNEL):
            self._connection = psycopg.connect(
                host=self._url.host,
                port=self._url.port,
                user=self._url.username,
                password=str(self._url.password) if self._url.password is not None else None,
                dbname=self._url.database,
                application_name="groundwork:changes",
                connect_timeout=10,
                autocommit=True,
                row_factory=dict_row,
            )
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            found = self._connection.execute("SELECT pg_current_snapshot()::text AS seen").fetchone()
            self._seen = self._bookmark = str(found["seen"]) if found else ""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def events(self, timeout_seconds: float, *, after: str | None = None) -> Iterator[ChangeEvent]:
        """Changes as they are committed, until none came for `timeout_seconds`; first those behind a bookmark `after`.

        Each change comes once, also over several calls.
        """
        if after is not None:
            self._waiting.clear()
            self._seen = after
            with database_faults(CHANNEL):
                self._read()
        deadline = time.monotonic() + timeout_seconds
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                if not self._waiting:
                    self._bookmark = self._seen
                yield event
                deadline = time.monotonic() + timeout_seconds
            left = deadline - time.monotonic()
            if left <= 0:
                return
            with database_faults(CHANNEL):
                if list(self._listening().notifies(timeout=left, stop_after=1)):
                    self._read()

    def _read(self) -> None:
        for row in self._listening().execute(_READ, {"after": self._seen}).fetchall():
            self._seen = row.pop("seen")
            if not self._tables or f"{row['schema']}.{row['table']}" in self._tables:
                self._waiting.append(ChangeEvent(**row))
        if not self._waiting:
            self._bookmark = self._seen

    def _listening(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is None:
            raise RuntimeError("the subscription is used outside of its `with` block")
        return self._connection


def subscribe(
    url: URL | str, tables: Sequence[str] = (), *, timeout_seconds: float = 60, after: str | None = None
) -> Iterator[ChangeEvent]:
    """Changes of `tables` (`schema.table`, all when empty) until none came for `timeout_seconds`.

    Listening begins with the first `next()`; where that matters, use `Subscription`. Raises: RetriableError when the
    connection is lost.
    """
    with Subscription(url, tables) as subscription:
        yield from subscription.events(timeout_seconds, after=after)
