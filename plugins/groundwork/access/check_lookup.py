"""What only the database knows: which keys are taken, which referenced rows exist, what a condition gives.

Everything is read, nothing is written, not even a temporary table: values go as arrays of texts that the server casts
to the columns' types. Conditions are those of the contract, parsed before they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql
from sqlalchemy import Connection

from groundwork.access.check_plan import Condition
from groundwork.access.errors import translated
from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.types import type_name
from groundwork.contracts.fragment import parse_expression
from groundwork.flow.driver import driver_connection

Texts = Sequence[Sequence[str | None]]


class Lookup:
    """Questions to one database, in the transaction of the caller's connection."""

    def __init__(self, connection: Connection, table: TableContract) -> None:
        self._driver = driver_connection(connection)
        self._table = table

    def is_empty(self, table: TableContract) -> bool:
        """Whether `table` has no row. Raises: NotReadyError when it is not there."""
        query = sql.SQL("SELECT 1 FROM {} LIMIT 1").format(_name(table))
        with self._told_apart(table), self._driver.cursor() as cursor:
            return cursor.execute(query).fetchone() is None

    def keys(self, table: TableContract, columns: Sequence[str], most: int) -> list[tuple[object, ...]] | None:
        """The values of `columns` in all rows of `table`; null when it has more than `most` rows."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        query = sql.SQL("SELECT {} FROM {} LIMIT {}").format(names, _name(table), most + 1)
        with self._told_apart(table), self._driver.cursor() as cursor:
            found = cursor.execute(query).fetchall()
        return found if len(found) <= most else None

    def present(self, table: TableContract, columns: Sequence[str], own: Sequence[str], texts: Texts) -> list[bool]:
        """For each of `texts` whether `table` has a row with it in `columns`; `own` are this table's columns."""
        matches = sql.SQL(" AND ").join(
            sql.SQL("found.{} = given.{}").format(sql.Identifier(column), sql.Identifier(f"c{place}"))
            for place, column in enumerate(columns)
        )
        query = sql.SQL("SELECT given.n FROM {} WHERE EXISTS (SELECT 1 FROM {} AS found WHERE {})").format(
            self._given(own), _name(table), matches
        )
        with self._told_apart(table), self._driver.cursor() as cursor:
            there = {row[0] for row in cursor.execute(query, self._arrays(own, texts))}
        return [number in there for number in range(1, len(texts) + 1)]

    def broken(self, condition: Condition, texts: Texts) -> list[int]:
        """The places in `texts` (values of the condition's columns) for which the condition is false."""
        renamed = sql.SQL(", ").join(
            sql.SQL("given.{} AS {}").format(sql.Identifier(f"c{place}"), sql.Identifier(name))
            for place, name in enumerate(condition.columns)
        )
        text = sql.SQL(parse_expression(condition.sql).sql.replace("%", "%%"))  # one expression, nothing else
        query = sql.SQL("SELECT n FROM (SELECT given.n, {} FROM {}) AS {} WHERE NOT ({}\n) ORDER BY n").format(
            renamed, self._given(condition.columns), sql.Identifier(self._table.name), text
        )
        with self._told_apart(self._table), self._driver.cursor() as cursor:
            return [row[0] - 1 for row in cursor.execute(query, self._arrays(condition.columns, texts))]

    def _given(self, columns: Sequence[str]) -> sql.Composed:
        """The values as a table `given` with columns c0, c1, … and their place `n` from 1."""
        arrays = sql.SQL(", ").join(
            sql.SQL("%s::text[]::{}[]").format(sql.SQL(self._type_text(name)))  # compiled from a known type
            for name in columns
        )
        names = sql.SQL(", ").join(sql.Identifier(f"c{place}") for place in range(len(columns)))
        return sql.SQL("unnest({}) WITH ORDINALITY AS given({}, n)").format(arrays, names)

    def _type_text(self, name: str) -> str:
        return type_name(self._table.column(name)).replace("%", "%%")

    def _arrays(self, columns: Sequence[str], texts: Texts) -> list[list[str | None]]:
        return [[row[place] for row in texts] for place in range(len(columns))]

    @contextmanager
    def _told_apart(self, table: TableContract) -> Iterator[None]:
        try:
            with self._driver.transaction():
                yield
        except psycopg.Error as error:
            raise translated(error, table) from error


def _name(table: TableContract) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
