"""Contract → JSON Schema (draft 2020-12) of a table's rows as JSON: as shown, to create, and to change.

Rows as shown say less than rows to write: a masked value keeps its type or is null, but not its pattern or range.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.metadata import column_type

Schema = dict[str, Any]
_FORMATS = ("email", "uuid", "uri", "ipv4", "ipv6", "hostname")
_INTEGER_BITS = {sqltypes.SmallInteger: 16, sqltypes.BigInteger: 64, sqltypes.Integer: 32}


def row_schema(table: TableContract) -> Schema:
    """A row as it is shown; search documents (`tsvector`) are not, and a page may show fewer columns."""
    shown = [column for column in table.columns if not isinstance(column_type(column.type), postgresql.TSVECTOR)]
    return {
        "type": "object",
        "title": table.name,
        "description": " ".join(part for part in (table.description, table.grain) if part),
        "properties": {column.name: _shown(column) for column in shown},
        "additionalProperties": False,
    }


def create_schema(table: TableContract) -> Schema:
    """A row to create: required is what is neither null nor made by the server."""
    given = [column for column in table.columns if not is_server_made(column)]
    return {
        "type": "object",
        "title": f"{table.name}, new",
        "properties": {column.name: value_schema(column) for column in given},
        "required": [column.name for column in given if column.is_required and not _is_filled(column)],
        "additionalProperties": False,
    }


def change_schema(table: TableContract, *, fixed: frozenset[str]) -> Schema:
    """Changes of a row; `fixed` columns (key, version) cannot be changed."""
    given = [column for column in table.columns if not is_server_made(column) and column.name not in fixed]
    return {
        "type": "object",
        "title": f"{table.name}, changes",
        "properties": {column.name: value_schema(column) for column in given},
        "minProperties": 1,
        "additionalProperties": False,
    }


def value_schema(column: ColumnContract) -> Schema:
    """One column's value as it may be written, with every limit that the contract sets."""
    options = column.options
    found = _typed(column)
    if column.description:
        found["description"] = column.description + _range_in_words(column)
    if column.allowed_values:
        found["enum"] = list(column.allowed_values)
    if found.get("type") == "string":
        found |= {name: options[name] for name in ("minLength", "pattern") if name in options}
        lengths = [length for length in (found.get("maxLength"), options.get("maxLength")) if length is not None]
        found |= {"maxLength": min(lengths)} if lengths else {}
        if options.get("format") in _FORMATS:
            found["format"] = options["format"]
    if found.get("type") in ("integer", "number"):
        _limit(found, options, column_type(column.type))
    return found if column.is_required else _nullable(found)


def type_schema(kind: TypeEngine[Any]) -> Schema:
    """What JSON can say of an SQL type alone."""
    if isinstance(kind, postgresql.ARRAY):
        return {"type": "array", "items": type_schema(kind.item_type)}
    for sql_type, bits in _INTEGER_BITS.items():
        if isinstance(kind, sql_type):
            return {
                "type": "integer",
                "format": f"int{bits}",
                "minimum": -(2 ** (bits - 1)),
                "maximum": 2 ** (bits - 1) - 1,
            }
    return next((dict(found) for sql_type, found in _TYPES if isinstance(kind, sql_type)), _text(kind))


def is_server_made(column: ColumnContract) -> bool:
    """Whether only the server gives this column its value."""
    return column.generated is not None or (column.identity or "").lower() == "always"


def _typed(column: ColumnContract) -> Schema:
    found = type_schema(column_type(column.type))
    if not found and column.logical_type in ("object", "array"):
        found["type"] = column.logical_type  # a JSON column that the contract narrows
    return found


def _range_in_words(column: ColumnContract) -> str:
    """Limits of dates and times, for which JSON Schema has no keyword."""
    if column.logical_type not in ("date", "timestamp", "time"):
        return ""
    words = {"minimum": "At least", "exclusiveMinimum": "After", "maximum": "At most", "exclusiveMaximum": "Before"}
    return "".join(f" {word} {column.options[name]}." for name, word in words.items() if name in column.options)


def _is_filled(column: ColumnContract) -> bool:
    return column.default is not None or column.identity is not None


def _shown(column: ColumnContract) -> Schema:
    found = _nullable(_typed(column))
    for limit in ("minimum", "maximum", "maxLength"):
        found.pop(limit, None)
    facts = {
        "description": column.description,
        "x-classification": column.classification,
        "x-personal-data": column.personal_data,
        "readOnly": True if is_server_made(column) else None,
    }
    return found | {name: fact for name, fact in facts.items() if fact is not None}


def _nullable(schema: Schema) -> Schema:
    if "type" not in schema:
        return schema
    found = schema | {"type": [schema["type"], "null"]}
    if "enum" in found:
        found["enum"] = [*found["enum"], None]
    return found


def _limit(found: Schema, options: Any, kind: TypeEngine[Any]) -> None:
    """Add the limits of options and of a number's precision, with open ends closed at the next value there is."""
    precision, scale = getattr(kind, "precision", None), getattr(kind, "scale", None) or 0
    is_fixed = isinstance(kind, sqltypes.Numeric) and not isinstance(kind, sqltypes.Float) and precision is not None
    step = Decimal(1).scaleb(-scale) if is_fixed else None
    lows = [found.get("minimum"), options.get("minimum")]
    highs = [found.get("maximum"), options.get("maximum")]
    if is_fixed and step is not None:
        limit = Decimal(10) ** (int(precision or 0) - scale)
        if float(limit - step) < float(limit):
            lows.append(float(step - limit))
            highs.append(float(limit - step))
        else:  # a double cannot tell the largest value from the first one that is too large
            found |= {"exclusiveMinimum": float(-limit), "exclusiveMaximum": float(limit)}
    for name, values, direction in (("exclusiveMinimum", lows, 1), ("exclusiveMaximum", highs, -1)):
        if name in options and step is not None:
            values.append(float(Decimal(str(options[name])) + direction * step))
        elif name in options:
            found[name] = options[name]
    low = max((value for value in lows if value is not None), default=None)
    high = min((value for value in highs if value is not None), default=None)
    found |= {name: value for name, value in (("minimum", low), ("maximum", high)) if value is not None}


def _text(kind: TypeEngine[Any]) -> Schema:
    length = getattr(kind, "length", None)
    return {"type": "string", "maxLength": length} if length else {"type": "string"}


_TYPES: tuple[tuple[type[TypeEngine[Any]], Schema], ...] = (
    (sqltypes.Numeric, {"type": "number"}),
    (sqltypes.Boolean, {"type": "boolean"}),
    (sqltypes.DateTime, {"type": "string", "format": "date-time"}),
    (sqltypes.Date, {"type": "string", "format": "date"}),
    (sqltypes.Time, {"type": "string", "format": "time"}),
    (postgresql.INTERVAL, {"type": "string", "format": "duration"}),
    (sqltypes.Uuid, {"type": "string", "format": "uuid"}),
    (sqltypes.JSON, {}),
    (sqltypes.LargeBinary, {"type": "string", "pattern": r"^\\x([0-9a-fA-F]{2})*$"}),
)
