"""The session of one load: its own connection, its settings, and the lock that makes another load of the table wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, Table, func, select, text

from groundwork.catalog.session import detached

_MUCH_LARGER = 20  # times; from there on looking up single rows is cheaper than reading all
LOCK_SPACE = 5_201_822  # first key of the advisory locks of loads; the second is a hash of the table's name
_SETTINGS = (  # one meaning of a text, whatever the server's or the role's defaults are
    "SET timezone = 'UTC'",
    "SET datestyle = 'ISO, YMD'",
    "SET intervalstyle = 'postgres'",
    "SET lock_timeout = '15min'",  # longest wait for another load of the same table
    "SET tcp_keepalives_idle = 60",  # a client that died far away shall not hold the lock for hours
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 6",
)


@contextmanager
def load_session(engine: Engine, name: str, *, is_shared: bool = False) -> Iterator[Connection]:
    """A connection that holds the lock of the table `name`, closed at the end.

    Parts of one load share the lock; whole loads and publications hold it alone.
    """
    with engine.connect() as connection, detached(connection):  # with its settings and its lock
        with connection.begin():
            for statement in _SETTINGS:
                connection.execute(text(statement))
            take = func.pg_advisory_lock_shared if is_shared else func.pg_advisory_lock
            connection.execute(select(take(LOCK_SPACE, func.hashtext(name))))
        yield connection


def transaction_settings(connection: Connection) -> None:
    """Settings of a transaction that compares many keys."""
    connection.execute(text("SET LOCAL work_mem = '64MB'"))  # keys are compared by hash tables


def choose_joins(connection: Connection, target: Table, staged: Table) -> None:
    """Keep the planner from looking up each waiting row in a table that is not much larger, or only seems to be small.

    A table that was just emptied has no statistics, and one that grows while it is scanned row by row costs the square.
    """
    sizes = text(
        "SELECT coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(CAST(:target AS regclass))), "
        "pg_relation_size(CAST(:target AS regclass))) AS target, "
        "(SELECT sum(pg_relation_size(child)) FROM (SELECT CAST(:staged AS regclass)::oid AS child UNION ALL "
        "SELECT inhrelid FROM pg_inherits WHERE inhparent = CAST(:staged AS regclass)) AS parts) AS staged"
    )
    preparer = connection.dialect.identifier_preparer
    names = {"target": preparer.format_table(target), "staged": preparer.format_table(staged)}
    row = connection.execute(sizes, names).one()
    if row.target < _MUCH_LARGER * row.staged:
        connection.execute(text("SET LOCAL enable_nestloop = off"))
