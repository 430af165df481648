"""The rows that are in the source when a stream begins, brought into the target before the first change.

Read in one snapshot of the source that is exactly where the stream begins, and written in one transaction of the
target: readers see the table as it was, then as it is. Rows of the target that the source does not have go or are
marked, as the contract says of deletions; a stream that appends only adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from groundwork.contracts.derive.types import type_name
from groundwork.flow.capture.apply import Applier
from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.declaration import Apply, StreamTable
from groundwork.flow.capture.event import Change, Operation
from groundwork.flow.driver import driver_connection

_BATCH = 5000  # rows brought in at once


def open_snapshot(connection: psycopg.Connection[Any], name: str | None = None) -> str:
    """Begin a reading transaction at the named snapshot, or now; returns the snapshot as transaction ids."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if name is not None:
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(name)))
    row = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
    return str(row[0] if row else "")


def take(url: URL, applier: Applier, *, name: str | None = None, alive: Callable[[], None] | None = None) -> str:
    """Bring all rows in and return the snapshot they are of; in the transaction of the caller.

    `alive` is called after each batch.
    """
    with source_connection(url) as source:
        seen = open_snapshot(source, name)
        for name_in_source in dict.fromkeys(table.source for table in applier.tables):
            _take_table(source, applier, name_in_source, alive)
        for table in reversed(applier.tables):
            if table.apply is Apply.MERGE:
                removed = applier.target(table).remove_unseen(_seen(applier, table), datetime.now(UTC))
                applier.books.add(applier.connection, table, applier.schema(table), {"removed": removed})
                _execute(applier, sql.SQL("DROP TABLE {}").format(sql.Identifier(_seen(applier, table))))
        source.execute("COMMIT")
    return seen


def _take_table(source: psycopg.Connection[Any], applier: Applier, name: str, alive: Callable[[], None] | None) -> None:
    """Bring in one table of the source, for all tables that it feeds."""
    fed = [table for table in applier.tables if table.source == name]
    for table in fed:
        if table.apply is Apply.MERGE:
            _make_seen(applier, table)
    names = list(dict.fromkeys(column for table in fed for column in table.columns.values()))
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
        sql.SQL(", ").join(sql.Identifier(each) for each in names),
        sql.Identifier(fed[0].source_schema, fed[0].source_table),
    )
    begun, changes, count = datetime.now(UTC), list[Change](), 0
    with source.cursor() as cursor, cursor.copy(statement) as copy:
        for values in copy.rows():
            count += 1
            changes.append(
                Change(
                    operation=Operation.SNAPSHOT,
                    schema=fed[0].source_schema,
                    table=fed[0].source_table,
                    before=None,
                    after=dict(zip(names, values, strict=True)),
                    transaction="",
                    number=count,
                    committed_at=begun,
                )
            )
            if len(changes) >= _BATCH:
                _bring(applier, fed, changes)
                changes = []
                if alive is not None:
                    alive()
    _bring(applier, fed, changes)


def _bring(applier: Applier, fed: Sequence[StreamTable], changes: Sequence[Change]) -> None:
    applier.apply(changes)
    for table in fed:
        if changes and table.apply is Apply.MERGE:
            _see(applier, table, changes)


def _seen(applier: Applier, table: StreamTable) -> str:
    """The temporary table of the keys that the snapshot has."""
    return f"groundwork_seen_{list(applier.tables).index(table)}"


def _see(applier: Applier, table: StreamTable, changes: Sequence[Change]) -> None:
    key = table.contract.primary_key
    kinds = [type_name(table.contract.column(name)) for name in key]
    casts = sql.SQL(", ").join(
        sql.SQL("k.{}::{}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in zip(key, kinds, strict=True)
    )  # the types are compiled by SQLAlchemy from known ones
    fits = sql.SQL(" AND ").join(
        sql.SQL("pg_input_is_valid(k.{}, {})").format(sql.Identifier(name), sql.Literal(kind))
        for name, kind in zip(key, kinds, strict=True)
    )
    statement = sql.SQL("INSERT INTO {} SELECT {} FROM unnest({}) AS k ({}) WHERE {}").format(
        sql.Identifier(_seen(applier, table)),
        casts,
        sql.SQL(", ").join(sql.SQL("%s::text[]") for _ in key),
        sql.SQL(", ").join(sql.Identifier(name) for name in key),
        fits,
    )
    keys = [[(change.after or {})[name] for change in changes] for name in table.source_key]
    driver_connection(applier.connection).execute(statement, keys)


def _make_seen(applier: Applier, table: StreamTable) -> None:
    seen = _seen(applier, table)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_name(table.contract.column(name))))
        for name in table.contract.primary_key
    )
    _execute(applier, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("pg_temp", seen)))
    _execute(applier, sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(sql.Identifier(seen), columns))


def _execute(applier: Applier, statement: sql.Composed) -> None:
    driver_connection(applier.connection).execute(statement)
