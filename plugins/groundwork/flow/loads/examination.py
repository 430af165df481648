"""The temporary table in which records are typed and judged by the server.

Owns how text becomes typed values where there is doubt: whole records go in by COPY; when the server refuses one, they
are taken apart record by record and column by column, with the server's own words for what is wrong. Lives as long as
its session; `clear` empties it for the next records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Identity,
    MetaData,
    Table,
    delete,
    func,
    select,
)

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.types import sql_type, type_name
from groundwork.flow.driver import column_list, copy_text, driver_connection
from groundwork.flow.record import Reason, Record, Rule
from groundwork.flow.source import fillable

POSITION = "groundwork_position"
_EXAMINED = "groundwork_examined"
_TEXTS = "groundwork_texts"
_CLOCK_WORDS = ("now", "today", "tomorrow", "yesterday", "allballs")  # read as the time of the load: never data
_CLOCK_TYPES = ("date", "time")


@dataclass(kw_only=True)
class Examination:
    """The records of one source under examination, filled with the source's `columns`."""

    connection: Connection
    contract: TableContract
    columns: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    table: Table = field(init=False)
    _has_texts: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.table = Table(_EXAMINED, MetaData(), *typed_columns(self.contract, self.values), prefixes=["TEMPORARY"])
        self.table.create(self.connection)
        self._types = {column.name: type_name(column) for column in self.contract.columns}

    @property
    def driver(self) -> psycopg.Connection:
        """The driver's connection, for COPY."""
        return driver_connection(self.connection)

    def clear(self) -> None:
        """Take all rows out."""
        self.driver.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(_EXAMINED)))

    def copy_clean(self, text: bytes, first: int | None) -> bool:
        """Take CSV of records; False when the server refuses it. `first` numbers them when they bring no position."""
        if first is None:
            return copy_text(self.driver, sql.Identifier(_EXAMINED), (POSITION, *self.columns), text) is not None
        restart_positions(self.connection, f"pg_temp.{_EXAMINED}", first)
        return copy_text(self.driver, sql.Identifier(_EXAMINED), self.columns, text) is not None

    def copy_records(self, records: Sequence[Record]) -> dict[int, list[Reason]]:
        """Take whole records one by one; returns the reasons of those whose values their columns cannot hold.

        Such a record is in the table as well, with null for what does not fit, so that its other faults show too.
        """
        if not records:
            return {}
        statement = _copy_rows(sql.Identifier(_EXAMINED), self.columns)
        if not self._has_clock_word(records):
            try:
                with self.driver.transaction(), self.driver.cursor() as cursor, cursor.copy(statement) as copy:
                    for record in records:
                        copy.write_row((str(record.position), *record.values))
            except psycopg.DataError:
                pass
            else:
                return {}
        return self._cast_one_by_one(records)

    def analyze(self) -> None:
        """Let the planner know the table's size before its rows are joined."""
        with self.driver.cursor() as cursor:
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(_EXAMINED)))

    def forget(self, positions: Iterable[int]) -> None:
        """Take rows out again."""
        found = list(positions)
        if found:
            self.connection.execute(delete(self.table).where(self.table.c[POSITION] == func.any(found)))

    def _has_clock_word(self, records: Sequence[Record]) -> bool:
        clocks = [index for index, name in enumerate(self.columns) if _is_clock(self._types[name])]
        values = (record.values[index] for record in records for index in clocks)
        return any(value is not None and value.strip().lower() in _CLOCK_WORDS for value in values)

    def _cast_one_by_one(self, records: Sequence[Record]) -> dict[int, list[Reason]]:
        self._copy_texts(records)
        found: dict[int, list[Reason]] = defaultdict(list)
        with self.driver.cursor() as cursor:
            for column in self.columns:
                for position, message in cursor.execute(self._misfits(column)):
                    text = f"not a value of type {self._types[column]}: {message}"
                    found[position].append(Reason(rule=Rule.TYPE, column=column, message=text))
            cursor.execute(self._typed_rows())
        return dict(found)

    def _copy_texts(self, records: Sequence[Record]) -> None:
        table = sql.Identifier(_TEXTS)
        with self.driver.cursor() as cursor:
            if self._has_texts:
                cursor.execute(sql.SQL("TRUNCATE {}").format(table))
            else:
                columns = [sql.SQL("{} bigint").format(sql.Identifier(POSITION))]
                columns += [sql.SQL("{} text").format(sql.Identifier(name)) for name in self.columns]
                create = sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT PRESERVE ROWS")
                cursor.execute(create.format(table, sql.SQL(", ").join(columns)))
                self._has_texts = True
            with cursor.copy(_copy_rows(table, self.columns)) as copy:
                for record in records:
                    copy.write_row((str(record.position), *record.values))

    def _fits(self, column: str) -> sql.Composed:
        """SQL that is true when the text of `column` can become a value of its type."""
        fits = sql.SQL("pg_input_is_valid({}, {})").format(sql.Identifier(column), sql.Literal(self._types[column]))
        if not _is_clock(self._types[column]):
            return fits
        words = sql.SQL(", ").join(sql.Literal(word) for word in _CLOCK_WORDS)
        return sql.SQL("({} AND lower(btrim({})) NOT IN ({}))").format(fits, sql.Identifier(column), words)

    def _misfits(self, column: str) -> sql.Composed:
        return sql.SQL(
            "SELECT {position}, coalesce((pg_input_error_info({column}, {type})).message, {clock}) FROM {table} "
            "WHERE {column} IS NOT NULL AND NOT {fits}"
        ).format(
            position=sql.Identifier(POSITION),
            column=sql.Identifier(column),
            type=sql.Literal(self._types[column]),
            clock=sql.Literal("a word for the time of loading is no data"),
            table=sql.Identifier(_TEXTS),
            fits=self._fits(column),
        )

    def _typed_rows(self) -> sql.Composed:
        values = [
            sql.SQL("CASE WHEN {fits} THEN CAST({column} AS {type}) END").format(
                fits=self._fits(name),
                column=sql.Identifier(name),
                type=sql.SQL(self._types[name]),  # compiled by SQLAlchemy from a known type
            )
            for name in self.columns
        ]
        return sql.SQL("INSERT INTO {} ({}) SELECT {}, {} FROM {}").format(
            sql.Identifier(_EXAMINED),
            column_list((POSITION, *self.columns)),
            sql.Identifier(POSITION),
            sql.SQL(", ").join(values),
            sql.Identifier(_TEXTS),
        )


def _is_clock(declared: str) -> bool:
    return declared.lower().startswith(_CLOCK_TYPES)


def typed_columns(contract: TableContract, values: Mapping[str, str] | None = None) -> list[Column[Any]]:
    """The position of each record and the columns a source may fill, typed, all nullable.

    What is missing is a reason for quarantine, not a crash. `values` are what columns hold that the load itself fills.
    """
    given = values or {}
    position: Column[Any] = Column(POSITION, BigInteger, Identity(always=False), nullable=False)
    return [
        position,
        *(
            Column(column.name, sql_type(column), server_default=given.get(column.name))
            for column in fillable(contract)
        ),
    ]


def restart_positions(connection: Connection, table: str, first: int) -> None:
    """Let the records that come next be numbered from `first`; `table` is its name as a regclass reads it."""
    connection.execute(select(func.setval(func.pg_get_serial_sequence(table, POSITION), first, False)))


def _copy_rows(table: sql.Composable, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(table, column_list((POSITION, *columns)))
