"""Contract → JSON Schema (draft 2020-12) of a table's rows as JSON: as shown, to create, and to change.

Rows as shown say less than rows to write: a masked value keeps its type or is null, but not its pattern or range.
Nested properties of objects, elements of arrays and values of maps are described as far as the contract declares them,
also for objects that are no tables, whose own physical types say nothing here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.types import column_type, sql_type
from groundwork.contracts.logical_types import physical_type
from groundwork.model.errors import ConfigError

Schema = dict[str, Any]
_CONTAINERS = {"object": "object", "map": "object", "array": "array", "vector": "array"}
_SIZES = {"object": ("minProperties", "maxProperties"), "array": ("minItems", "maxItems", "uniqueItems")}
_FORMATS = ("email", "uuid", "uri", "ipv4", "ipv6", "hostname")
_INTEGER_BITS = {sqltypes.SmallInteger: 16, sqltypes.BigInteger: 64, sqltypes.Integer: 32}


def row_schema(table: TableContract) -> Schema:
    """A row as it is shown; search documents (`tsvector`) are not, and a page may show fewer columns."""
    shown = [column for column in table.columns if not isinstance(_kind(column), postgresql.TSVECTOR)]
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
    found = _typed(column) | _nested(column)
    if column.description:
        found["description"] = column.description + _range_in_words(column)
    if column.possible_values:
        found["enum"] = list(column.possible_values)
    if found.get("type") == "string":
        found |= {name: options[name] for name in ("minLength", "pattern") if name in options}
        lengths = [length for length in (found.get("maxLength"), options.get("maxLength")) if length is not None]
        found |= {"maxLength": min(lengths)} if lengths else {}
        if options.get("format") in _FORMATS:
            found["format"] = options["format"]
    if found.get("type") in ("integer", "number"):
        _limit(found, options, _kind(column))
    found |= {name: options[name] for name in _SIZES.get(str(found.get("type")), ()) if name in options}
    return found if column.is_required else _nullable(found)


def type_schema(kind: TypeEngine[Any]) -> Schema:
    """What JSON can say of an SQL type alone."""
    if isinstance(kind, postgresql.ENUM):
        return {"type": "string", "enum": list(kind.enums)}
    if isinstance(kind, postgresql.ARRAY):
        return {"type": "array", "items": type_schema(kind.item_type)}
    for integer, bits in _INTEGER_BITS.items():
        if isinstance(kind, integer):
            return {
                "type": "integer",
                "format": f"int{bits}",
                "minimum": -(2 ** (bits - 1)),
                "maximum": 2 ** (bits - 1) - 1,
            }
    return next((dict(found) for each, found in _TYPES if isinstance(kind, each)), _text(kind))


def is_server_made(column: ColumnContract) -> bool:
    """Whether only the server gives this column its value."""
    return column.generated is not None or (column.identity or "").lower() == "always"


def _typed(column: ColumnContract) -> Schema:
    found = type_schema(_kind(column))
    if not found and column.logical_type in _CONTAINERS:
        found["type"] = _CONTAINERS[column.logical_type]  # a JSON column that the contract narrows
    return found


def _nested(column: ColumnContract) -> Schema:
    """What is declared of the inside of an object, array or map."""
    found: Schema = {}
    if column.properties:
        required = [each.name for each in column.properties if each.is_required]
        required += [name for name in column.options.get("required", ()) if name not in required]
        found["properties"] = {each.name: value_schema(each) for each in column.properties}
        found |= {"required": required} if required else {}
    if column.items is not None:
        where = "additionalProperties" if column.logical_type == "map" else "items"
        found[where] = value_schema(column.items)
    return found


def _kind(column: ColumnContract) -> TypeEngine[Any]:
    """The column's type; where another system's word stands in the contract, the one of its logical type.

    Raises: ConfigError when neither is known.
    """
    try:
        return sql_type(column)
    except ConfigError:
        if column.logical_type is None:
            raise
    facts = {"logicalType": column.logical_type, "logicalTypeOptions": column.options}
    return column_type(physical_type(facts))


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
    for limit in ("minimum", "maximum", "maxLength", "enum"):
        found.pop(limit, None)
        found.get("items", {}).pop(limit, None)
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
    (sqltypes.Float, {"type": "number"}),
    (sqltypes.Boolean, {"type": "boolean"}),
    (sqltypes.DateTime, {"type": "string", "format": "date-time"}),
    (sqltypes.Date, {"type": "string", "format": "date"}),
    (sqltypes.Time, {"type": "string", "format": "time"}),
    (postgresql.INTERVAL, {"type": "string", "format": "duration"}),
    (sqltypes.Uuid, {"type": "string", "format": "uuid"}),
    (sqltypes.JSON, {}),
    (sqltypes.LargeBinary, {"type": "string", "pattern": r"^\\x([0-9a-fA-F]{2})*$"}),
)
