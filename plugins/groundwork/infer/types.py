"""PostgreSQL's type words by what kind of value they hold, and with room for values that are still to come."""

from __future__ import annotations

import re
from enum import StrEnum

_SHAPE = re.compile(r"^\s*([a-z_ ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\))?\s*((?:with|without) time zone)?\s*$")
_SPARE_DIGITS = 3  # before the point: a price of 99.99 may be followed by one of 10,000
_HALF_INTEGER = 2**30  # an integer column that is half full already gets the next size
_MOST_DIGITS = 1000  # PostgreSQL's limit on a declared precision


class Family(StrEnum):
    """Kinds of values that are measured and proposed alike."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIME = "time"
    BOOLEAN = "boolean"
    UUID = "uuid"
    JSON = "json"
    ARRAY = "array"
    OTHER = "other"


_FAMILIES = {
    Family.INTEGER: ("smallint", "integer", "bigint", "int", "int2", "int4", "int8"),
    Family.NUMBER: ("numeric", "decimal", "real", "double precision", "float4", "float8"),
    Family.TEXT: ("text", "varchar", "character varying", "char", "character", "bpchar", "citext", "string"),
    Family.DATE: ("date",),
    Family.TIMESTAMP: ("timestamp", "timestamptz"),
    Family.TIME: ("time", "timetz"),
    Family.BOOLEAN: ("boolean", "bool"),
    Family.UUID: ("uuid",),
    Family.JSON: ("json", "jsonb"),
}
_FAMILY_OF = {word: family for family, words in _FAMILIES.items() for word in words}
_LOGICAL = {
    Family.INTEGER: "integer",
    Family.NUMBER: "number",
    Family.DATE: "date",
    Family.TIMESTAMP: "timestamp",
    Family.TIME: "time",
    Family.BOOLEAN: "boolean",
    Family.JSON: "object",
    Family.ARRAY: "array",
}


def family_of(physical_type: str) -> Family:
    """The family of a type; enum types, ranges and whatever else has no rules of its own are `other`.

    >>> family_of("timestamp(3) with time zone")
    <Family.TIMESTAMP: 'timestamp'>
    """
    written = physical_type.strip().lower()
    if written.endswith("]"):
        return Family.ARRAY
    match = _SHAPE.match(written)
    return _FAMILY_OF.get(match[1], Family.OTHER) if match else Family.OTHER


def logical_type_of(physical_type: str) -> str:
    """The standard's `logicalType` for a physical type; what it has no word for is a string."""
    return _LOGICAL.get(family_of(physical_type), "string")


def digits_of(physical_type: str) -> tuple[int, int] | None:
    """Precision and scale of `numeric(p,s)`; null where the type has none."""
    match = _SHAPE.match(physical_type.strip().lower())
    if match is None or match[1] not in ("numeric", "decimal") or match[2] is None:
        return None
    return int(match[2]), int(match[3] or 0)


def length_of(physical_type: str) -> int | None:
    """The most characters that `varchar(n)` and `char(n)` hold; null where there is no limit."""
    match = _SHAPE.match(physical_type.strip().lower())
    is_text = match is not None and _FAMILY_OF.get(match[1]) is Family.TEXT
    return int(match[2]) if match is not None and is_text and match[2] else None


def roomy_type(physical_type: str, largest: int | None = None) -> str:
    """`physical_type` with room for larger values: `numeric` gets digits before the point, `integer` the next size.

    `largest` is the largest absolute value seen of an integer. The scale stays, because it is what keeps values exact.

    >>> roomy_type("numeric(6,2)"), roomy_type("integer", 1_500_000_000)
    ('numeric(9,2)', 'bigint')
    """
    digits = digits_of(physical_type)
    if digits is not None:
        return f"numeric({min(digits[0] + _SPARE_DIGITS, _MOST_DIGITS)},{digits[1]})"
    if physical_type == "integer" and largest is not None and largest >= _HALF_INTEGER:
        return "bigint"
    return physical_type
