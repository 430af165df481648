"""The temporary table that holds a load's typed rows between source and target.

Owns how text becomes typed values: COPY lets the server cast a whole batch at once; only a batch that COPY refuses is
taken apart, record by record and column by column, with the server's own words for what is wrong. So both ways judge
by the same rules: the server's. The table is dropped when the transaction ends, however it ends.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Identity,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
)

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.types import sql_type, type_name
from groundwork.flow.record import Batch, Reason, Record, Rule
from groundwork.flow.source import fillable

POSITION = "groundwork_position"
_STAGING = "groundwork_staging"
_TEXTS = "groundwork_texts"
_CLOCK_WORDS = ("now", "today", "tomorrow", "yesterday", "allballs")  # read as the time of the load: never data
_CLOCK_BYTES = tuple(word.encode() for word in _CLOCK_WORDS)
_CLOCK_FIELD = re.compile(rb"(?:^|[\s,\"])(?:" + b"|".join(_CLOCK_BYTES) + rb")(?:[\s,\"]|$)")
_CLOCK_TYPES = ("date", "time")


@dataclass(kw_only=True)
class Staging:
    """One load's staging table on `connection`, filled with `columns` in the order of a source's `fields`."""

    connection: Connection
    contract: TableContract
    columns: tuple[str, ...]
    fields: tuple[str | None, ...]
    table: Table = field(init=False)
    _has_texts: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.table = staging_table(self.contract, self.fields)
        self.table.create(self.connection)
        self._types = {column.name: type_name(column) for column in self.contract.columns}

    @property
    def driver(self) -> psycopg.Connection:
        """The driver's connection, for COPY."""
        return driver_connection(self.connection)

    def copy_block(self, batch: Batch, first_position: int) -> int | None:
        """Take the batch's text as it is and return the number of rows; null when COPY refuses it or may not see it."""
        if batch.block is None or misleads(batch.block, has_clock=has_clock(self.contract, self.columns)):
            return None
        number = select(
            func.setval(func.pg_get_serial_sequence(f"pg_temp.{_STAGING}", POSITION), first_position, False)
        )
        self.connection.execute(number)
        return copy_text(self.driver, sql.Identifier(_STAGING), self._fieldnames(), batch.block)

    def copy_records(self, records: Sequence[Record]) -> dict[int, list[Reason]]:
        """Take whole records one by one; returns the reasons of those whose values their columns cannot hold.

        Such a record is in the table as well, with null for what does not fit, so that its other faults show too.
        """
        if not records:
            return {}
        statement = _copy_rows(sql.Identifier(_STAGING), self.columns)
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
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(_STAGING)))

    def forget(self, positions: Iterable[int]) -> None:
        """Take rows out again."""
        found = list(positions)
        if found:
            self.connection.execute(delete(self.table).where(self.table.c[POSITION] == func.any(found)))

    def _fieldnames(self) -> list[str]:
        return [name or _unused(number) for number, name in enumerate(self.fields)]

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
                create = sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP")
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
            sql.Identifier(_STAGING),
            column_list((POSITION, *self.columns)),
            sql.Identifier(POSITION),
            sql.SQL(", ").join(values),
            sql.Identifier(_TEXTS),
        )


def misleads(block: bytes, *, has_clock: bool) -> bool:
    """Whether COPY would read something else from the CSV `block` than what stands there."""
    if b"\\." in block:  # a line of just this ends the data for COPY
        return True
    if not has_clock:
        return False
    lowered = block.lower()
    return any(word in lowered for word in _CLOCK_BYTES) and bool(_CLOCK_FIELD.search(lowered))


def has_clock(contract: TableContract, columns: Sequence[str]) -> bool:
    """Whether any of `columns` holds dates or times, for which PostgreSQL reads words such as `today`."""
    return any(_is_clock(contract.column(name).type) for name in columns)


def _is_clock(declared: str) -> bool:
    return declared.lower().startswith(_CLOCK_TYPES)


def staging_table(contract: TableContract, fields: Sequence[str | None]) -> Table:
    """A temporary table with the position of each record, every column a source may fill, and unwanted fields as text.

    All columns are nullable: what is missing is a reason for quarantine, not a crash.
    """
    typed = [Column(column.name, sql_type(column)) for column in fillable(contract)]
    unwanted = [Column(_unused(number), Text) for number, name in enumerate(fields) if name is None]
    position = Column(POSITION, BigInteger, Identity(always=False), primary_key=True)
    return Table(_STAGING, MetaData(), position, *typed, *unwanted, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")


def copy_text(driver: psycopg.Connection, table: sql.Composable, names: Sequence[str], block: bytes) -> int | None:
    """COPY CSV text into `table` under a savepoint; the number of rows, or null when the server refuses the data."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')").format(table, column_list(names))
    try:
        with driver.transaction(), driver.cursor() as cursor:
            with cursor.copy(statement) as copy:
                copy.write(block)
            return cursor.rowcount
    except psycopg.DataError:
        return None


def driver_connection(connection: Connection) -> psycopg.Connection:
    """Psycopg's connection beneath SQLAlchemy's."""
    found = connection.connection.driver_connection
    if not isinstance(found, psycopg.Connection):
        raise TypeError(f"loading needs the driver psycopg, found {type(found).__module__}")
    return found


def _copy_rows(table: sql.Composable, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN").format(table, column_list((POSITION, *columns)))


def column_list(columns: Sequence[str]) -> sql.Composed:
    """Column names, quoted, for a statement."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def _unused(number: int) -> str:
    return f"groundwork_unused_{number}"
