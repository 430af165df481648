"""Taking turns at the quarantine of a table: who settles rows of it waits for whoever does so already.

A replay that died between its load and its notes is settled first, by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select, text

from groundwork.catalog.session import detached
from groundwork.flow import ledger
from groundwork.flow.loads.session import LOCK_SPACE as LOADS
from groundwork.flow.quarantine.replay_ledger import settle, unsettled

LOCK_SPACE = 5_201_823  # first key of the advisory locks of the quarantine; the second is a hash of the table's name


@contextmanager
def turn(engine: Engine, name: str) -> Iterator[Connection]:
    """A connection that holds the lock of the quarantine of `name` (`schema.table`); another one waits for it."""
    with engine.connect() as connection, detached(connection):  # with its lock
        with connection.begin():
            connection.execute(text("SET lock_timeout = '15min'"))
            connection.execute(select(func.pg_advisory_lock(LOCK_SPACE, func.hashtext(name))))
        yield connection


def recover(connection: Connection, schema: str, table: str) -> int:
    """Settle the rows of replays that were begun and not settled; returns how many are in the table now."""
    with connection.begin():
        ledger.ensure(connection)
        waiting = unsettled(connection, schema, table)
        if waiting:  # the load of a replay that died may still be about to commit
            name = func.hashtext(f"{schema}.{table}")
            connection.execute(select(func.pg_advisory_xact_lock(LOADS, name)))
        return sum(settle(connection, each) for each in waiting)
