"""The PostgreSQL type of a column whose contract says only what kind of value it holds.

`physicalType` is optional in the Open Data Contract Standard. Where it is absent, the logical type and its options
decide, always for the type that holds every value the contract allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PLAIN = {
    "boolean": "boolean",
    "date": "date",
    "integer": "bigint",
    "map": "jsonb",
    "number": "numeric",
    "object": "jsonb",
    "time": "time",
    "vector": "real[]",
}
_NUMBERS = {
    "i8": "smallint",
    "i16": "smallint",
    "i32": "integer",
    "i64": "bigint",
    "f32": "real",
    "f64": "double precision",
}
_STRINGS = {"uuid": "uuid", "binary": "bytea", "byte": "bytea"}
_DEFAULT = "text"
SERIALS = {  # PostgreSQL's words for an integer with a sequence of its own, and the integer's own name
    "smallserial": "int2",
    "serial2": "int2",
    "serial": "int4",
    "serial4": "int4",
    "bigserial": "int8",
    "serial8": "int8",
}


def physical_type(data: Mapping[str, Any]) -> str:
    """The column's `physicalType`, else the type that follows from `logicalType` and its options, else `text`.

    >>> physical_type({"logicalType": "string", "logicalTypeOptions": {"maxLength": 40}})
    'varchar(40)'
    >>> physical_type({"logicalType": "array", "items": {"logicalType": "integer"}})
    'bigint[]'
    """
    written = data.get("physicalType")
    if isinstance(written, str) and written.strip():
        return written
    options = data.get("logicalTypeOptions") or {}
    logical = data.get("logicalType")
    match logical:
        case "string":
            found = _string(options)
        case "integer" | "number":
            found = _NUMBERS.get(str(options.get("format")), _PLAIN[logical])
        case "timestamp":
            found = "timestamp" if options.get("timezone") is False else "timestamptz"
        case "array":
            found = _array(data.get("items"))
        case _:
            found = _PLAIN.get(str(logical), _DEFAULT)
    return found


def is_serial(physical: str) -> bool:
    """Whether a physical type is one of PostgreSQL's words for an integer with a sequence (`serial`, …)."""
    return physical.strip().lower() in SERIALS


def _string(options: Mapping[str, Any]) -> str:
    stored = _STRINGS.get(str(options.get("format")))
    length = options.get("maxLength")
    if stored:
        return stored
    return f"varchar({length})" if isinstance(length, int) and length > 0 else _DEFAULT


def _array(items: object) -> str:
    """An array of a scalar type; of objects, arrays or unknown things JSON."""
    if not isinstance(items, Mapping) or items.get("logicalType") in (None, "array", "map", "object", "vector"):
        return "jsonb"
    return f"{physical_type(items)}[]"
