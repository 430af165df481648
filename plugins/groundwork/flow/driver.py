"""Psycopg beneath SQLAlchemy: COPY in and the quoting of its statements."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql
from sqlalchemy import Connection


def driver_connection(connection: Connection) -> psycopg.Connection:
    """Psycopg's connection beneath SQLAlchemy's, which may be detached from its pool."""
    found = connection.connection.dbapi_connection
    if not isinstance(found, psycopg.Connection):
        raise TypeError(f"loading needs the driver psycopg, found {type(found).__module__}")
    return found


def column_list(columns: Sequence[str]) -> sql.Composed:
    """Column names, quoted, for a statement."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def copy_statement(table: sql.Composable, columns: Sequence[str]) -> sql.Composed:
    """COPY of CSV text into columns of a table."""
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')").format(table, column_list(columns))


def copy_text(driver: psycopg.Connection, table: sql.Composable, columns: Sequence[str], block: bytes) -> int | None:
    """COPY CSV text into `table` under a savepoint; the number of rows, or null when the server refuses the data."""
    try:
        with driver.transaction(), driver.cursor() as cursor:
            with cursor.copy(copy_statement(table, columns)) as copy:
                copy.write(block)
            return cursor.rowcount
    except psycopg.DataError:
        return None
