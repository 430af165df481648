"""What the failed statement would wait for now: its locks asked for anew, for a moment, and given back.

The failed session waits no more, so the server's view of waiting no longer names who stood in its way. The statement
itself is not run: planning it asks for its locks on tables, and its rows are asked for by SELECT … FOR UPDATE.
"""

# groundwork: allow-file raw_sql,own_session asks for the locks of the failed statement

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from groundwork.catalog.session import run
from groundwork.orbt.remedies.queries.lock_graph import Graph, lock_graph
from groundwork.orbt.remedies.queries.statement import Statement, derived

_WAIT_SECONDS = 4.0  # for which the probe asks; long enough to be seen, too short to be in anybody's way
_SEEN_AFTER_SECONDS = 0.3
_POLL_SECONDS = 0.1


@contextmanager
def probing(engine: Engine, statement: Statement | None) -> Iterator[int | None]:
    """A session that asks for the statement's locks while the block runs: its process id, null when it got them all."""
    if statement is None:
        yield None
        return
    ready, over = threading.Event(), threading.Event()
    drivers: list[Any] = []

    def ask() -> None:
        with suppress(SQLAlchemyError, OSError), engine.connect() as connection:  # to get none is what it is for
            _ask(connection, statement, drivers, ready)
        over.set()
        ready.set()

    thread = threading.Thread(target=ask, name="groundwork lock probe", daemon=True)
    thread.start()
    try:
        ready.wait(_WAIT_SECONDS)
        is_waiting = bool(drivers) and not over.wait(_SEEN_AFTER_SECONDS)
        yield drivers[0].info.backend_pid if is_waiting else None
    finally:
        if drivers and not over.is_set():
            drivers[0].cancel_safe(timeout=_WAIT_SECONDS)
        thread.join(_WAIT_SECONDS + 1)


def waiting_graph(connection: Connection, probe: int | None) -> Graph:
    """The lock graph, in which the probe shows up when it waits."""
    end = time.monotonic() + 1
    while True:
        graph = lock_graph(connection)
        if probe is None or probe in graph or time.monotonic() > end:
            return graph
        time.sleep(_POLL_SECONDS)


def _ask(connection: Connection, statement: Statement, drivers: list[Any], ready: threading.Event) -> None:
    rows = _rows(statement)
    if rows is not None:
        run(connection, "SET TRANSACTION READ WRITE")  # also in a dry run: asking for rows changes none
    run(connection, f"SET LOCAL lock_timeout = {int(_WAIT_SECONDS * 1000)}")
    run(connection, f"SET LOCAL statement_timeout = {int(_WAIT_SECONDS * 1000)}")
    driver = connection.connection.driver_connection
    if driver is None:
        return
    drivers.append(driver)
    ready.set()
    statement.execute(connection, "EXPLAIN ").close()
    if rows is not None:
        rows.execute(connection).close()
    connection.rollback()


def _rows(statement: Statement) -> Statement | None:
    """The rows that an UPDATE or DELETE of one table changes, asked for; null for other statements."""
    from pglast import ast, parse_sql
    from pglast.stream import RawStream

    tree = statement.tree
    if not isinstance(tree, ast.UpdateStmt | ast.DeleteStmt) or tree.withClause is not None:
        return None
    if getattr(tree, "fromClause", None) or getattr(tree, "usingClause", None) or tree.whereClause is None:
        return None
    select: Any = parse_sql("SELECT 1 FROM changed WHERE true FOR UPDATE")[0].stmt
    select.fromClause, select.whereClause = (tree.relation,), tree.whereClause
    return derived(statement, str(RawStream()(select)))
