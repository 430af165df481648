"""The database session a migration runs in: one at a time for a domain, with limits on waiting and on running.

The turn is taken by polling, never by waiting inside a statement: a session that waits there holds a snapshot, and
CREATE INDEX CONCURRENTLY of the one whose turn it is would wait for that snapshot for ever.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from groundwork.catalog.session import run
from groundwork.model.errors import RetriableError

_POLL_SECONDS = 0.1


@contextmanager
def migration_session(
    engine: Engine, domain: str, *, statement_timeout_seconds: float, turn_timeout_seconds: float
) -> Iterator[Connection]:
    """A connection that commits each statement and holds the domain's turn; everything is given back at the end.

    Raises: RetriableError when another migration of the domain does not end in `turn_timeout_seconds`.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _take_turn(connection, domain, turn_timeout_seconds)
        try:
            run(connection, f"SET statement_timeout = {int(statement_timeout_seconds * 1000)}")
            yield connection
        finally:
            _give_back(connection, domain)


def limit_lock_wait(connection: Connection, seconds: float) -> None:
    """How long the following statements may wait for a lock; 0 is for ever."""
    run(connection, f"SET lock_timeout = {int(seconds * 1000)}")


def _take_turn(connection: Connection, domain: str, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not connection.execute(select(func.pg_try_advisory_lock(_key(domain)))).scalar_one():
        if time.monotonic() >= deadline:
            raise RetriableError(
                "another migration of this domain is still running",
                where=f"domain {domain}",
                expected=f"its end within {timeout_seconds:g} s",
                next_step="SELECT * FROM pg_stat_activity WHERE application_name LIKE 'groundwork%'",
            )
        time.sleep(_POLL_SECONDS)


def _give_back(connection: Connection, domain: str) -> None:
    """Also after a failure inside a transaction; a lost connection has given everything back already."""
    with suppress(SQLAlchemyError):
        run(connection, "ROLLBACK")
        run(connection, "RESET statement_timeout")
        run(connection, "RESET lock_timeout")
        connection.execute(select(func.pg_advisory_unlock(_key(domain))))


def _key(domain: str) -> int:
    digest = hashlib.sha256(f"groundwork migration {domain}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
