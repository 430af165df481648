"""Made-up rows for a scratch copy that has too few real ones for a planner to tell good indexes from bad.

They follow from the row's number alone, all but unique, every second value of a nullable column missing. They say
nothing about the data and nothing is ever judged by them but which index *can* serve a query.
"""

# groundwork: allow-file raw_sql designs are measured on the server: its catalog, its planner, scratch copies

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Select, Table, case, func, literal_column, select
from sqlalchemy import types as general
from sqlalchemy.dialects import postgresql

ROWS = 2_000  # enough that reading a whole table costs more than an index
_NUMBER = "filler.number"
_HASH = f"md5({_NUMBER}::text)"
_BY_TYPE: tuple[tuple[type[Any], str], ...] = (
    (general.SmallInteger, f"({_NUMBER} % 30000)::smallint"),
    (general.Integer, f"{_NUMBER}"),
    (general.Float, f"{_NUMBER}::double precision"),
    (general.Boolean, f"({_NUMBER} % 2 = 0)"),
    (general.DateTime, f"(timestamp '2000-01-01' + {_NUMBER} * interval '1 hour')"),
    (general.Date, f"(date '2000-01-01' + {_NUMBER})"),
    (general.Time, f"(time '00:00' + {_NUMBER} * interval '1 minute')"),
    (postgresql.INTERVAL, f"({_NUMBER} * interval '1 hour')"),
    (general.Uuid, f"{_HASH}::uuid"),
    (postgresql.JSONB, f"jsonb_build_object('number', {_NUMBER})"),
    (general.JSON, f"json_build_object('number', {_NUMBER})"),
    (general.LargeBinary, f"decode({_HASH}, 'hex')"),
    (postgresql.INET, f"(inet '10.0.0.0' + {_NUMBER})"),
    (postgresql.TSVECTOR, f"to_tsvector('simple', {_HASH})"),
)


def filler(table: Table, columns: list[str]) -> Select[Any]:
    """A query of `ROWS` rows that fit the columns."""
    numbers = func.generate_series(1, ROWS).table_valued("number").render_derived(name="filler")
    return select(*(_value(table.c[name]) for name in columns)).select_from(numbers)


def _value(column: Column[Any]) -> Any:
    value: Any = literal_column(_expression(column.type))
    if not column.nullable or column.primary_key:
        return value
    return case((literal_column(f"{_NUMBER} % 2 = 0"), None), else_=value)


def _expression(kind: Any) -> str:
    if isinstance(kind, general.ARRAY):
        return f"ARRAY[{_expression(kind.item_type)}]"
    if isinstance(kind, general.String):
        return f"left({_HASH}, {int(kind.length or 32)})"
    if isinstance(kind, general.Numeric) and not isinstance(kind, general.Float):
        digits = min(max((kind.precision or 9) - (kind.scale or 0), 0), 6)
        return f"({_NUMBER} % {10**digits})::numeric"
    return next((expression for each, expression in _BY_TYPE if isinstance(kind, each)), "NULL")
