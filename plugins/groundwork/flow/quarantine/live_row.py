"""Rows as the database has them now: their columns, what tells one from another, and the form they are kept in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Column, Connection, MetaData, Table, text
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.types import UserDefinedType

from groundwork.model.errors import ConfigError

_COLUMNS = text(
    """
    SELECT attribute.attname AS name, format_type(attribute.atttypid, attribute.atttypmod) AS type,
           attribute.attgenerated <> '' AS is_generated
    FROM pg_attribute AS attribute
    WHERE attribute.attrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:table AS text)))
      AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ORDER BY attribute.attnum
    """
)


class RowId(UserDefinedType[str]):
    """Where a row lies in its file; means something only while its table is locked."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The server's name of the type."""
        return "tid"


@dataclass(frozen=True, kw_only=True)
class LiveColumn:
    """A column that a table has in the database; `type` as the server prints it."""

    name: str
    type: str
    is_generated: bool


def live_columns(connection: Connection, schema: str, table: str) -> tuple[LiveColumn, ...]:
    """The columns of a table in its order; empty when there is no such table."""
    rows = connection.execute(_COLUMNS, {"schema": schema, "table": table})
    return tuple(LiveColumn(name=row.name, type=row.type, is_generated=row.is_generated) for row in rows)


def with_row_ids(connection: Connection, schema: str, table: str) -> Table:
    """The table for queries, with all its columns and with what tells one row from another (`tableoid`, `ctid`).

    Raises: ConfigError when there is no such table.
    """
    columns = live_columns(connection, schema, table)
    if not columns:
        raise ConfigError("the table is not there", where=f"{schema}.{table}", next_step="groundwork compare-to-db")
    system = (Column("tableoid", OID, system=True), Column("ctid", RowId, system=True))
    return Table(table, MetaData(), *system, *(Column(column.name) for column in columns), schema=schema)


def as_record(columns: Sequence[LiveColumn], row: str = "held") -> sql.Composed:
    """The row called `row` as the quarantine keeps it: column → text as the server prints it, null where it is null."""
    names = sql.SQL(", ").join(sql.Literal(column.name) for column in columns)
    values = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(row, column.name)) for column in columns)
    return sql.SQL("jsonb_object(ARRAY[{}]::text[], ARRAY[{}]::text[])").format(names, values)
