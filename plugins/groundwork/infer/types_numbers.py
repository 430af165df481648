"""The number type that holds every value of a column exactly.

Money never becomes a float, and neither does anything that has few decimals: 0.1 + 0.2 has to be 0.3. Only numbers
with many decimals (measurements, scores) become `double precision`, and only where it keeps every digit.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from groundwork.infer.files_source import one_row, sql

_EXACT_DECIMALS = 4  # up to here a decimal is counted, not measured
_FLOAT_DIGITS = 15  # significant decimal digits that a double keeps
_DUCKDB_DIGITS = 38
_INTEGER = 2**31
_BIGINT = 2**63
_MEASURE = """
    SELECT max(length(ltrim(split_part(n, '.', 1), '0'))), max(length(split_part(n, '.', 2))),
           max(length(ltrim(replace(n, '.', ''), '0')))
    FROM (SELECT ltrim({value}, '+-') AS n FROM {table})
"""


@dataclass(frozen=True, kw_only=True)
class NumberType:
    """PostgreSQL's type, and the values as a DuckDB expression."""

    type: str
    value: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Digits:
    """The most digits before and after the point, and of any one value without leading zeros."""

    whole: int
    scale: int
    significant: int


def number_type(connection: duckdb.DuckDBPyConnection, table: str, value: str, *, is_money: bool) -> NumberType:
    """The type for the plain decimal texts that `value` gives."""
    digits = _digits(connection, table, value)
    if digits.scale == 0:
        return whole_type(connection, table, value)
    return _decimal(value, digits, is_money=is_money)


def whole_type(connection: duckdb.DuckDBPyConnection, table: str, value: str) -> NumberType:
    """The smallest type from `integer` up that holds all whole numbers that `value` gives as texts."""
    digits = (
        one_row(connection, sql("SELECT max(length(ltrim({v}, '+-0'))) FROM {table}", v=value, table=table))[0] or 1
    )
    if digits > _DUCKDB_DIGITS - 1:
        return NumberType(type=f"numeric({digits},0)", value=value, notes=("too long for any integer type",))
    number = f"CAST(rtrim({value}, '.') AS HUGEINT)"
    low, high = one_row(connection, sql("SELECT min({n}), max({n}) FROM {table}", n=number, table=table))
    if low >= -_INTEGER and high < _INTEGER:
        return NumberType(type="integer", value=f"CAST({number} AS INTEGER)")
    if low >= -_BIGINT and high < _BIGINT:
        return NumberType(type="bigint", value=f"CAST({number} AS BIGINT)")
    return NumberType(type=f"numeric({digits},0)", value=number, notes=("beyond the range of bigint",))


def double_type(connection: duckdb.DuckDBPyConnection, table: str, column: str, *, is_money: bool) -> NumberType:
    """The type for a column of doubles: exact where their shortest texts have few decimals or are money."""
    text = f"CAST({column} AS VARCHAR)"
    odd, exponents = one_row(
        connection,
        sql(
            "SELECT count_if(NOT isfinite({column})), count_if({text} LIKE '%e%') FROM {table}",
            column=column,
            text=text,
            table=table,
        ),
    )
    if odd:
        note = f"{odd:,} values are infinite or not numbers, which only a float holds"
        return NumberType(type="double precision", value=f"CAST({column} AS DOUBLE)", notes=(note,))
    if exponents:
        return exponent_type(f"CAST({column} AS DOUBLE)", is_money=is_money)
    digits = _digits(connection, table, text)
    if digits.significant > _FLOAT_DIGITS:
        return _too_fine(f"CAST({column} AS DOUBLE)", is_money=is_money)
    return _decimal(text, digits, is_money=is_money)


def json_number_type(connection: duckdb.DuckDBPyConnection, table: str, column: str, *, is_money: bool) -> NumberType:
    """The type for texts of JSON numbers, whose digits beyond a double's may have been lost while reading."""
    exponents, points = one_row(
        connection,
        sql(
            "SELECT count_if({column} ILIKE '%e%'), count_if({column} LIKE '%.%') FROM {table}",
            column=column,
            table=table,
        ),
    )
    if exponents:
        return exponent_type(f"CAST({column} AS DOUBLE)", is_money=is_money)
    digits = _digits(connection, table, column)
    if points and digits.significant > _FLOAT_DIGITS:
        return _too_fine(f"CAST({column} AS DOUBLE)", is_money=is_money)
    return number_type(connection, table, column, is_money=is_money)


def exponent_type(value: str, *, is_money: bool) -> NumberType:
    """The type for numbers written with exponents, which `value` gives as doubles."""
    if is_money:
        note = "numbers are written with exponents; numeric without limits keeps money exact"
        return NumberType(type="numeric", value=value, notes=(note,))
    return NumberType(type="double precision", value=value, notes=("numbers are written with exponents",))


def _too_fine(value: str, *, is_money: bool) -> NumberType:
    if is_money:
        note = "the numbers have more digits than a float shows; numeric without limits keeps all of them"
        return NumberType(type="numeric", value=value, notes=(note,))
    return NumberType(type="double precision", value=value, notes=("the numbers are floats of full precision",))


def _digits(connection: duckdb.DuckDBPyConnection, table: str, value: str) -> _Digits:
    whole, scale, significant = one_row(connection, sql(_MEASURE, value=value, table=table))
    return _Digits(whole=whole or 0, scale=scale or 0, significant=significant or 0)


def _decimal(value: str, digits: _Digits, *, is_money: bool) -> NumberType:
    precision = max(1, digits.whole + digits.scale)
    if not is_money and digits.scale > _EXACT_DECIMALS and digits.significant <= _FLOAT_DIGITS:
        note = f"up to {digits.scale} decimals and no money: a float, which keeps all {digits.significant} digits"
        return NumberType(type="double precision", value=f"CAST({value} AS DOUBLE)", notes=(note,))
    if precision > _DUCKDB_DIGITS:
        return NumberType(type=f"numeric({precision},{digits.scale})", value=value)
    return NumberType(
        type=f"numeric({precision},{digits.scale})", value=f"CAST({value} AS DECIMAL({precision},{digits.scale}))"
    )
