"""The one session that may consume a stream: its settings, its lock, and the count of its failures."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.catalog.session import detached
from groundwork.flow.capture import ledger
from groundwork.model.errors import RetriableError, SkippableError

_log = logging.getLogger(__name__)
_LOCK_SPACE = 5_201_825  # first key of the advisory locks of consumers; the second is a hash of the stream's name
_HANDOVER_SECONDS = 3.0  # a consumer that was killed holds its lock until the server notices
_SETTINGS = (
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET extra_float_digits = 1",
    "SET lock_timeout = '1min'",
)


@contextmanager
def consumer_session(target: Engine, name: str) -> Iterator[Connection]:
    """The only connection that may consume this stream now.

    Raises: RetriableError when somebody else has it; SkippableError when the stream was stopped.
    """
    with target.connect() as connection, detached(connection):  # with settings, lock and temporary tables
        with connection.begin():
            for statement in _SETTINGS:
                connection.execute(text(statement))
            is_ours = _locked(connection, name)
            row = ledger.find(connection, name) if ledger.is_there(connection) else None
        if not is_ours:
            raise RetriableError(
                "another consumer is at work",
                where=f"stream {name}",
                next_step="wait until it ends, or stop it: groundwork capture stop",
            )
        if row is not None and not row["is_wanted"]:
            raise SkippableError("the stream is stopped", where=f"stream {name}", next_step="groundwork capture start")
        yield connection


@contextmanager
def failures_counted(connection: Connection, name: str) -> Iterator[None]:
    """A block whose failure is counted where the warehouse can still be reached over its connection."""
    try:
        yield
    except Exception:
        if not connection.invalidated:
            try:
                connection.rollback()
                with connection.begin():
                    ledger.at_work(connection, name, failures=1)
            except SQLAlchemyError as error:  # what failed is what the caller has to hear
                _log.warning("the failure of %s could not be counted: %s", name, type(error).__name__)
        raise


def _locked(connection: Connection, name: str) -> bool:
    """Take the stream's lock; one that is about to end is waited for."""
    query = select(func.pg_try_advisory_lock(_LOCK_SPACE, func.hashtext(name)))
    deadline = time.monotonic() + _HANDOVER_SECONDS
    while not connection.scalar(query):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_consumed(connection: Connection, name: str) -> bool:
    """Whether a consumer of the stream is at work now."""
    query = text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = :space AND objsubid = 2 "
        "AND granted "
        "AND objid::bigint = hashtext(:name)::bigint & 4294967295 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    return bool(connection.scalar(query, {"space": _LOCK_SPACE, "name": name}))
