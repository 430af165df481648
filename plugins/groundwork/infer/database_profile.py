"""Some rows of live tables measured by the server: bounded in rows and time, and without changing anything.

Up to `ROWS` rows of a table are looked at, from random blocks of a larger one. What takes too long or may not be read
is told in `notes`, and the table's profile is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.session import run, undone
from groundwork.infer.profile import ColumnProfile, TableProfile
from groundwork.infer.relationships import Inclusion
from groundwork.infer.types import Family, family_of
from groundwork.model.errors import RetriableError
from groundwork.model.shape import ColumnShape, TableShape

if TYPE_CHECKING:
    from sqlalchemy import Connection

ROWS = 20_000
_MOST_VALUES = 100_000  # distinct ones that are looked for in another table
_MOST_LISTED = 50
_SAMPLES = 100
_COLUMNS_AT_ONCE = 200  # a result has at most 1,664 columns
_ORDERED = (Family.INTEGER, Family.NUMBER, Family.DATE, Family.TIMESTAMP)
_SETTINGS = (
    "SET TRANSACTION READ ONLY",
    "SET LOCAL statement_timeout = '20s'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'iso_8601'",
)


class Profiler:
    """Measures the rows of `tables`; `notes` fill with what could not be measured."""

    def __init__(self, connection: Connection, tables: Sequence[TableShape]) -> None:
        self._connection = connection
        self._tables = {table.name: table for table in tables}
        self._samples: dict[str, sql.Composed] = {}
        self.notes: list[str] = []

    def profiles(self) -> dict[str, TableProfile]:
        """The profile of each table by its name."""
        return {name: self._profile(table) for name, table in self._tables.items()}

    def included(self, table: str, columns: Sequence[str], target: str, key: Sequence[str]) -> Inclusion:
        """How far the values of the columns are among those of the other table's key."""
        mine, its = self._tables[table], self._tables[target]
        pairs = zip(map(sql.Identifier, columns), map(sql.Identifier, key), strict=True)
        statement = sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (SELECT FROM {target} t WHERE {same}))"
            " FROM (SELECT DISTINCT {columns} FROM {table} WHERE {filled} LIMIT {most}) s"
        ).format(
            target=sql.Identifier(its.schema, its.name),
            same=sql.SQL(" AND ").join(sql.SQL("t.{} = s.{}").format(there, here) for here, there in pairs),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            table=sql.Identifier(mine.schema, mine.name),
            filled=_filled(columns),
            most=sql.Literal(_MOST_VALUES),
        )
        try:
            with self._reading():
                distinct, missing = self._rows(statement)[0]
        except DBAPIError as error:
            self._note(mine, f"{', '.join(columns)} was not compared with {target}", error)
            return Inclusion(distinct=0, missing=0)
        return Inclusion(distinct=distinct, missing=missing)

    def counting(self, table: str) -> Callable[[Sequence[str]], int]:
        """How many distinct combinations of columns the rows of the table that are looked at have."""

        def count(columns: Sequence[str]) -> int:
            statement = sql.SQL("SELECT count(*) FROM (SELECT DISTINCT {} FROM {} s WHERE {}) d").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), self._samples[table], _filled(columns)
            )
            try:
                with self._reading():
                    return int(self._rows(statement)[0][0])
            except DBAPIError as error:
                self._note(self._tables[table], f"{', '.join(columns)} was not tried as a key", error)
                return 0

        return count

    def _profile(self, table: TableShape) -> TableProfile:
        try:
            with self._reading():
                is_complete = self._choose_rows(table)
                return self._measured(table, is_complete=is_complete)
        except DBAPIError as error:
            self._note(table, "its rows were not looked at", error)
            self._samples.setdefault(table.name, sql.SQL("(SELECT WHERE false)").format())
            columns = tuple(_empty(column) for column in table.columns)
            return TableProfile(
                name=table.name, source=table.qualified_name, rows=0, columns=columns, is_complete=False
            )

    def _choose_rows(self, table: TableShape) -> bool:
        """Remember which rows stand for the table; whether these are all of them."""
        name = sql.Identifier(table.schema, table.name)
        most = sql.Literal(ROWS)
        self._samples[table.name] = sql.SQL("(SELECT * FROM {} LIMIT {})").format(name, most)
        counted = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT {}) s").format(name, sql.Literal(ROWS + 1))
        if self._rows(counted)[0][0] <= ROWS:
            return True
        known = sql.SQL("SELECT reltuples FROM pg_class WHERE oid = {}::regclass").format(sql.Literal(name.as_string()))
        rows = float(self._rows(known)[0][0])
        if rows > 2 * ROWS:
            share = sql.Literal(min(100.0, 150.0 * ROWS / rows))
            self._samples[table.name] = sql.SQL(
                "(SELECT * FROM {} TABLESAMPLE SYSTEM ({}) REPEATABLE (1) LIMIT {})"
            ).format(name, share, most)
        return False

    def _measured(self, table: TableShape, *, is_complete: bool) -> TableProfile:
        counts: list[tuple[ColumnShape, tuple[Any, ...]]] = []
        rows = 0
        for start in range(0, len(table.columns), _COLUMNS_AT_ONCE):
            chunk = table.columns[start : start + _COLUMNS_AT_ONCE]
            found = self._rows(
                sql.SQL("SELECT count(*), {} FROM {} s").format(
                    sql.SQL(", ").join(part for column in chunk for part in _measures(column)),
                    self._samples[table.name],
                )
            )[0]
            rows, values = int(found[0]), found[1:]
            counts += [(column, values[6 * place : 6 * place + 6]) for place, column in enumerate(chunk)]
        columns = tuple(self._column(table, column, rows, values, is_exact=is_complete) for column, values in counts)
        return TableProfile(
            name=table.name, source=table.qualified_name, rows=rows, columns=columns, is_complete=is_complete
        )

    def _column(
        self, table: TableShape, column: ColumnShape, rows: int, values: Sequence[Any], *, is_exact: bool
    ) -> ColumnProfile:
        filled, distinct, low, high, shortest, longest = values
        may_list = 0 < distinct <= _MOST_LISTED
        listed = self._listed(table, column, most=_MOST_LISTED if may_list else _SAMPLES, by_count=may_list)
        return ColumnProfile(
            name=column.name,
            type=_bare(column.type),
            rows=rows,
            nulls=rows - filled,
            distinct=distinct,
            is_exact=is_exact,
            minimum=low,
            maximum=high,
            shortest=shortest,
            longest=longest,
            top_values=tuple(listed) if may_list else (),
            samples=tuple(value for value, _ in listed),
        )

    def _listed(self, table: TableShape, column: ColumnShape, *, most: int, by_count: bool) -> list[tuple[str, int]]:
        """Values with their counts: the most frequent ones, or some without favourites, the same in every run."""
        if not column_is_readable(column):
            return []
        statement = sql.SQL(
            "SELECT {column}::text, count(*) FROM {rows} s WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY {order}, 1"
            " LIMIT {most}"
        ).format(
            column=sql.Identifier(column.name),
            rows=self._samples[table.name],
            order=sql.SQL("2 DESC") if by_count else sql.SQL("md5({}::text)").format(sql.Identifier(column.name)),
            most=sql.Literal(most),
        )
        return [(str(value), int(count)) for value, count in self._rows(statement)]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with undone(self._connection):
            for setting in _SETTINGS:
                run(self._connection, setting)
            yield

    def _rows(self, statement: sql.Composable) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in run(self._connection, statement.as_string()).fetchall()]

    def _note(self, table: TableShape, what: str, error: DBAPIError) -> None:
        if error.connection_invalidated:
            raise RetriableError("the connection was lost while rows were measured", found=error.orig) from error
        self.notes.append(f"{table.qualified_name}: {what}: {str(error.orig).partition(chr(10))[0]}")


def column_is_readable(column: ColumnShape) -> bool:
    """Whether values of the column are worth reading as text: documents and bytes say nothing that way."""
    return _bare(column.type) not in ("bytea", "tsvector", "json", "jsonb", "xml")


def _measures(column: ColumnShape) -> tuple[sql.Composable, ...]:
    """Six values: how many, how many distinct, smallest, largest, shortest, longest; null where they mean nothing."""
    name, family = sql.Identifier(column.name), family_of(_bare(column.type))
    null = sql.SQL("NULL")
    distinct = sql.SQL("count(DISTINCT {}::text)").format(name) if column_is_readable(column) else sql.SQL("0")
    ends: tuple[sql.Composable, ...] = (null, null)
    if family in _ORDERED:
        ends = (sql.SQL("min({})::text").format(name), sql.SQL("max({})::text").format(name))
    lengths: tuple[sql.Composable, ...] = (null, null)
    if family is Family.TEXT:
        lengths = (
            sql.SQL("min(length({}::text))").format(name),
            sql.SQL("max(length({}::text))").format(name),
        )
    return (sql.SQL("count({})").format(name), distinct, *ends, *lengths)


def _empty(column: ColumnShape) -> ColumnProfile:
    return ColumnProfile(name=column.name, type=_bare(column.type), rows=0, nulls=0, distinct=0, is_exact=False)


def _bare(kind: str) -> str:
    return kind.partition(" COLLATE ")[0]


def _filled(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in columns)
