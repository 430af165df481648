"""Made-up rows for an empty copy of a table, so that the planner chooses as it would on a filled one.

Every value follows from the row's number: key columns together are unique, enumerated columns take their declared
values, dates spread over the partitions, one row in ten of a nullable column is null. The rows say nothing about the
data; they are only ever used in a transaction that is rolled back.
"""

# groundwork: allow-file direct_driver,raw_sql the server makes the rows; the driver's composer quotes names

from __future__ import annotations

from datetime import date

from psycopg import sql
from sqlalchemy import types
from sqlalchemy.dialects import postgresql

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.types import sql_type, type_name

ROWS = 20_000
_TEXTS = 200  # different values of a text column that is no key
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2025, 1, 1)
_SCATTER = 7919  # a prime, so that neighbouring rows differ


def insert_statement(table: TableContract, schema: str) -> str:
    """One INSERT of up to `ROWS` rows into the copy of `table` in `schema`; rows that repeat a key are left out."""
    columns = [column for column in table.columns if column.generated is None]
    return (
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM generate_series(0, {}) AS sample(number) ON CONFLICT DO NOTHING")
        .format(
            sql.Identifier(schema, table.name),
            sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
            sql.SQL(", ").join(_value(table, column) for column in columns),
            sql.Literal(ROWS - 1),
        )
        .as_string()
    )


def _value(table: TableContract, column: ColumnContract) -> sql.Composable:
    rank, ranks = _rank(table, column)
    value = _typed(table, column, rank, ranks)
    if column.is_required:
        return value
    return sql.SQL("CASE WHEN number % 10 <> 0 THEN {} END").format(value)


def _rank(table: TableContract, column: ColumnContract) -> tuple[sql.Composable, int]:
    """A whole number from 0 to below the second result that decides the column's value in a row."""
    keys = [table.primary_key, *(key.columns for key in table.unique_keys)]
    for key in keys:
        if column.name not in key:
            continue
        radix = round(ROWS ** (1 / len(key)) + 0.5)
        divisor = radix ** key.index(column.name)
        return sql.SQL("number / {} % {}").format(sql.Literal(divisor), sql.Literal(radix)), radix
    ranks = _TEXTS if isinstance(sql_type(column), types.String) else ROWS
    return sql.SQL("number * {} % {}").format(sql.Literal(_SCATTER), sql.Literal(ranks)), ranks


def _typed(table: TableContract, column: ColumnContract, rank: sql.Composable, ranks: int) -> sql.Composable:
    if column.possible_values:
        values = sql.SQL(", ").join(sql.Literal(str(value)) for value in column.possible_values)
        count = sql.Literal(len(column.possible_values))
        text = sql.SQL("(ARRAY[{}])[1 + (number * {} / 7) % {}]").format(values, sql.Literal(_SCATTER), count)
        return _cast(text, column)
    kind = sql_type(column)
    if isinstance(kind, postgresql.ARRAY):
        return _cast(sql.SQL("ARRAY[({})::text]").format(rank), column)
    if isinstance(kind, types.Date | types.DateTime):
        first, last = _span(table, column)
        step = sql.Literal((last - first).days / ranks)
        moment = sql.SQL("timestamp {} + ({}) * {} * interval '1 day'").format(sql.Literal(str(first)), rank, step)
        return _cast(moment, column)
    if isinstance(kind, types.String):
        return _cast(sql.SQL("left('value ' || ({}), {})").format(rank, sql.Literal(kind.length or 100)), column)
    return _cast(_plain(kind, rank), column)


def _plain(kind: object, rank: sql.Composable) -> sql.Composable:
    """A value of a type that needs no knowledge of the column, before it is cast to that type."""
    digest = sql.SQL("md5(({})::text)").format(rank)
    by_type: tuple[tuple[type[object] | tuple[type[object], ...], sql.Composable], ...] = (
        (types.SmallInteger, sql.SQL("({}) % 30000").format(rank)),
        (types.Integer, rank),
        (types.Boolean, sql.SQL("({}) % 2 = 0").format(rank)),
        (types.Uuid, digest),
        (postgresql.JSONB, sql.SQL("jsonb_build_object('number', {})").format(rank)),
        (types.JSON, sql.SQL("json_build_object('number', {})").format(rank)),
        (types.LargeBinary, sql.SQL("decode({}, 'hex')").format(digest)),
        (postgresql.INET, sql.SQL("inet '10.0.0.0' + ({})").format(rank)),
        (postgresql.TSVECTOR, sql.SQL("to_tsvector('simple', {})").format(digest)),
        ((types.Interval, postgresql.INTERVAL), sql.SQL("({}) * interval '1 minute'").format(rank)),
        (types.Time, sql.SQL("time '00:00' + ({}) * interval '1 second'").format(rank)),
    )
    for types_, value in by_type:
        if isinstance(kind, types_):
            return value
    if isinstance(kind, types.Numeric) and kind.precision is not None:
        digits = max(kind.precision - (kind.scale or 0), 0)
        return sql.SQL("({}) % {}").format(rank, sql.Literal(10**digits))
    return rank


def _span(table: TableContract, column: ColumnContract) -> tuple[date, date]:
    declared = table.partitioning
    if declared is not None and declared.interval and column.name in declared.columns:
        return date.fromisoformat(declared.start), date.fromisoformat(declared.end)
    return _FIRST_DAY, _LAST_DAY


def _cast(value: sql.Composable, column: ColumnContract) -> sql.Composable:
    # The type's text comes from the derived type, never from the contract's own spelling.
    return sql.SQL("CAST({} AS {})").format(value, sql.SQL(type_name(column)))
