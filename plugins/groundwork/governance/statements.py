"""Runs statements that were composed with `psycopg.sql`, where identifiers are parts of the statement.

Grants, roles and view definitions take no bound parameters in PostgreSQL, and SQLAlchemy has no construct for them.
"""

from __future__ import annotations

from psycopg import sql
from sqlalchemy import Connection, CursorResult

from groundwork.model.errors import ConfigError

_LONGEST_IDENTIFIER = 63  # bytes; PostgreSQL cuts longer ones off silently


def run(connection: Connection, statement: sql.Composable) -> CursorResult[tuple[object, ...]]:
    """Execute one composed statement; percent signs and colons in it are what they are."""
    return connection.exec_driver_sql(statement.as_string(None), execution_options={"no_parameters": True})


def compose(template: str, **parts: sql.Composable) -> sql.Composed:
    """A statement from a template of ours with its parts quoted by the library."""
    return sql.SQL(template).format(**parts)


def name(*parts: str) -> sql.Identifier:
    """A quoted, possibly qualified name.

    Raises: ConfigError when a part is empty, too long for PostgreSQL or holds a zero byte.
    """
    for part in parts:
        if not part or "\0" in part or len(part.encode()) > _LONGEST_IDENTIFIER:
            raise ConfigError(
                "the name cannot be used in PostgreSQL",
                expected=f"1 to {_LONGEST_IDENTIFIER} bytes without a zero byte",
                found=part[:80],
                next_step="choose a shorter name in the contract",
            )
    return sql.Identifier(*parts)


def names(parts: list[str] | tuple[str, ...]) -> sql.Composed:
    """Quoted names with commas between."""
    return sql.SQL(", ").join(name(part) for part in parts)
