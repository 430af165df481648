"""Complete SQL text runs on a connection, work is undone after looking at it, a session leaves its pool.

The first exists because the driver would otherwise read `%` in DDL as a parameter, the second because the declared
shape of a table is found by making it and taking it back, the third because settings and locks belong to a session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, CursorResult


def run(connection: Connection, statement: str) -> CursorResult[tuple[object, ...]]:
    """Run `statement` exactly as it is written, without parameters."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


@contextmanager
def detached(connection: Connection) -> Iterator[None]:
    """A block after which the session of `connection` is closed and never comes back to a pool.

    SQLAlchemy drops a detached session without closing it when an interruption, such as the timeout of a task, meets it
    in a statement: with its locks it would live as long as the frames of the error.
    """
    driver = connection.connection.driver_connection
    connection.detach()
    try:
        yield
    finally:
        if connection.invalidated and driver is not None:
            driver.close()


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """A block whose every effect on the database is taken back at its end, settings included.

    Works inside a caller's transaction (a savepoint), outside of one, and on a connection that commits by itself;
    the connection is left in the state it was in.
    """
    if _commits_by_itself(connection):
        with _undone_by_hand(connection):
            yield
        return
    transaction = connection.begin_nested() if connection.in_transaction() else connection.begin()
    try:
        yield
    finally:
        if transaction.is_active:
            transaction.rollback()


@contextmanager
def _undone_by_hand(connection: Connection) -> Iterator[None]:
    was_in_transaction = connection.in_transaction()
    is_nested = _is_in_server_transaction(connection)
    run(connection, "SAVEPOINT groundwork_undone" if is_nested else "BEGIN")
    try:
        yield
    finally:
        if not connection.closed and not connection.invalidated:
            run(connection, "ROLLBACK TO SAVEPOINT groundwork_undone" if is_nested else "ROLLBACK")
        if not was_in_transaction:
            connection.rollback()


def _commits_by_itself(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    return driver is not None and bool(driver.autocommit)


def _is_in_server_transaction(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    return driver is not None and int(driver.info.transaction_status) != 0  # 0: idle, in psycopg and psycopg2 alike
