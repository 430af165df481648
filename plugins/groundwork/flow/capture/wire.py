"""The streaming replication protocol over libpq: commands, messages of the log, and what the server is told of them.

Psycopg has no class for it but all of libpq; psycopg2 has one, which tells the server of positions by itself, before
they are safe here. Owns the envelope only: what is in a message is the business of `protocol`.
Source: PostgreSQL documentation, "Streaming Replication Protocol".
"""

from __future__ import annotations

import select
import struct
import time

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGresult
from sqlalchemy import URL

from groundwork.flow.capture.connect import connection_facts, place
from groundwork.model.errors import RetriableError

_EPOCH_SECONDS = 946_684_800  # 2000-01-01, from which PostgreSQL counts microseconds
_DATA, _KEEPALIVE, _STATUS = b"w", b"k", b"r"
_DATA_HEAD = 25  # letter, start, end, time
_IN_USE = "55006"


class SlotInUseError(RetriableError):
    """Another reader has the slot."""


class Wire:
    """One replication connection. `heard` is the position up to which the server has told everything it has.

    Raises: RetriableError when the connection cannot be made or is lost.
    """

    def __init__(self, url: URL, slot: str) -> None:
        self._where = f"{slot} at {place(url)}"
        self._slot = slot
        self.heard = 0
        self.asks = False  # whether the server wants to be told where we are
        facts = {name: value for name, value in connection_facts(url).items() if value is not None}
        self._connection = pq.PGconn.connect(make_conninfo(**facts, replication="database").encode())
        if self._connection.status != pq.ConnStatus.OK:
            found = self._words()
            self.close()
            raise RetriableError(
                "the source does not accept a replication connection",
                where=self._where,
                found=found,
                next_step="see that it runs and that pg_hba.conf admits the role, then run it again",
            )

    def close(self) -> None:
        """End the connection; idempotent."""
        self._connection.finish()

    def create_slot(self) -> tuple[str, str]:
        """Make the slot; the position from which it tells, and the name of a snapshot of that moment.

        The snapshot lives until the next command.
        """
        result = self._run(f"CREATE_REPLICATION_SLOT {self._quoted} LOGICAL pgoutput")
        position, snapshot = (result.get_value(0, column) or b"" for column in (1, 2))
        return position.decode(), snapshot.decode()

    def start(self, position: str) -> None:
        """Let the server stream from a position on. Raises: SlotInUseError when another reader has the slot."""
        options = f"proto_version '1', publication_names '{self._quoted}'"
        self._run(f"START_REPLICATION SLOT {self._quoted} LOGICAL {position} ({options})")

    def receive(self, timeout_seconds: float) -> bytes | None:
        """The next message of the plugin, or null when none came within the time."""
        deadline = time.monotonic() + timeout_seconds
        try:
            while True:
                size, data = self._connection.get_copy_data(1)
                if size > 0:
                    found = self._take(bytes(data))
                    if found is not None:
                        return found
                elif size < 0:
                    raise self._lost(self._words() or "the server ended the stream")
                else:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return None
                    select.select([self._connection.socket], [], [], left)
                    self._connection.consume_input()
        except psycopg.Error as error:
            raise self._lost(str(error)) from error

    def tell(self, safe: int, *, wants_answer: bool = False) -> None:
        """Tell the server up to where everything is safe here."""
        now = int((time.time() - _EPOCH_SECONDS) * 1_000_000)
        received = max(self.heard, safe)
        try:
            self._connection.put_copy_data(_STATUS + struct.pack(">QQQqB", received, safe, safe, now, wants_answer))
            self._connection.flush()
        except psycopg.Error as error:
            raise self._lost(str(error)) from error

    def _take(self, data: bytes) -> bytes | None:
        if data[:1] == _DATA:
            return data[_DATA_HEAD:]
        if data[:1] == _KEEPALIVE:
            # Everything before it was sent before it, so what lies up to here was read or is not ours.
            self.heard = max(self.heard, int(struct.unpack(">Q", data[1:9])[0]))
            self.asks = bool(data[17])
        return None

    def _run(self, command: str) -> PGresult:
        result = self._connection.exec_(command.encode())
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COPY_BOTH):
            return result
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        raise self._lost(result.get_error_message(), SlotInUseError if state == _IN_USE else RetriableError)

    @property
    def _quoted(self) -> str:
        name = self._slot.replace('"', '""')
        return f'"{name}"'

    def _words(self) -> str:
        return self._connection.get_error_message()

    def _lost(self, words: str, kind: type[RetriableError] = RetriableError) -> RetriableError:
        return kind(
            "the source ended the replication stream",
            where=self._where,
            found=words.strip().split("\n")[0],
            next_step="run it again: it goes on where it was",
        )
