"""One text for one value, made twice: here from what a source says, and by the server from what its table holds.

Used to compare a source with its table without trusting the loader: nothing of the loader's parsing is used. Equal
values give equal text whatever their spelling (`1.50` and `1.5`, `2013-03-01T00:00Z` and `2013-03-01 01:00+01`).
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, case, cast, extract, func
from sqlalchemy.dialects.postgresql import BIT, JSONB

NULL = "-"  # no value's text has this form: every other one starts with its length
_SHAPE = re.compile(r"^([a-z ]+?)\s*(?:\((\d+)(?:,\s*(\d+))?\))?$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FAMILIES = {
    **dict.fromkeys(("text", "varchar", "character varying", "string"), "text"),
    **dict.fromkeys(("smallint", "integer", "int", "bigint", "int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("numeric", "decimal"), "numeric"),
    **dict.fromkeys(("real", "double precision", "float4", "float8"), "float"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("timestamptz", "timestamp", "timestamp with time zone", "timestamp without time zone"), "moment"),
    **dict.fromkeys(("json", "jsonb"), "json"),
    "date": "date",
    "uuid": "uuid",
}


def family(declared: str) -> str | None:
    """The family of a physical type whose values can be compared, or null when there is none."""
    match = _SHAPE.match(declared.lower().strip())
    return _FAMILIES.get(match[1]) if match else None


def source_text(value: Any, declared: str) -> str:
    """The text of a value as a source gives it (text of a file, or a Python value); empty text counts as null."""
    if value is None or value == "":
        return NULL
    text = _CLIENT[family(declared) or "text"](value, declared)
    return f"{len(text)}:{text}"


def is_rounded(value: Any, declared: str) -> bool:
    """Whether the column keeps fewer decimals than `value` has."""
    scale = _scale(declared)
    if family(declared) != "numeric" or scale is None or value in (None, ""):
        return False
    exponent = Decimal(str(value)).as_tuple().exponent
    return isinstance(exponent, int) and -exponent > scale


def server_text(column: ColumnElement[Any], declared: str) -> ColumnElement[str]:
    """The same text, computed by the server."""
    found = family(declared) or "text"
    value = _SERVER[found](column)
    is_missing = column.is_(None) if found != "text" else func.coalesce(column, "") == ""
    return case((is_missing, NULL), else_=func.concat(func.char_length(value), ":", value))


def source_hash(texts: Sequence[str]) -> int:
    """64 bits of the texts' MD5, signed; not for secrets, only to compare."""
    digest = hashlib.md5("".join(texts).encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def server_hash(texts: Sequence[ColumnElement[str]]) -> ColumnElement[int]:
    """The same 64 bits, computed by the server."""
    digest = func.substr(func.md5(func.concat("", *texts)), 1, 16)
    return cast(cast(func.concat("x", digest), BIT(64)), BigInteger)


def _scale(declared: str) -> int | None:
    match = _SHAPE.match(declared.lower().strip())
    if match is None or match[2] is None:
        return None
    return int(match[3] or 0)


def _numeric(value: Any, declared: str) -> str:
    number = Decimal(str(value))
    scale = _scale(declared)
    if scale is not None:
        number = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    return _plain_number(number)


def _plain_number(number: Decimal) -> str:
    if number == 0:
        return "0"
    return format(number.normalize(), "f")


def _float(value: Any, declared: str) -> str:
    number = float(value)
    if declared.lower().strip() in ("real", "float4"):
        number = struct.unpack(">f", struct.pack(">f", number))[0]
    return struct.pack(">d", number).hex()


def _moment(value: Any, _: str) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    return str((elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds)


def _boolean(value: Any, _: str) -> str:
    is_true = value if isinstance(value, bool) else str(value).strip().lower() in _TRUE
    return "true" if is_true else "false"


def _json(value: Any, _: str) -> str:
    return _json_text(json.loads(value, parse_float=Decimal) if isinstance(value, str) else value)


def _json_text(value: Any) -> str:
    """JSON as PostgreSQL prints a `jsonb`: keys by length, then by bytes."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: (len(str(key).encode()), str(key).encode()))
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_json_text(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_json_text(item) for item in value) + "]"
    if isinstance(value, float | Decimal):
        return format(Decimal(str(value)), "f")
    return json.dumps(value, ensure_ascii=False)


_CLIENT: Mapping[str, Callable[[Any, str], str]] = {
    "text": lambda value, _: str(value),
    "integer": lambda value, _: str(int(value)),
    "numeric": _numeric,
    "float": _float,
    "boolean": _boolean,
    "moment": _moment,
    "json": _json,
    "date": lambda value, _: (value if isinstance(value, date) else date.fromisoformat(str(value))).isoformat(),
    "uuid": lambda value, _: str(value if isinstance(value, UUID) else UUID(str(value))),
}
_SERVER: Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[str]]] = {
    "text": lambda column: cast(column, Text),
    "integer": lambda column: cast(column, Text),
    "numeric": lambda column: cast(func.trim_scale(column), Text),
    "float": lambda column: func.encode(func.float8send(column), "hex"),
    "boolean": lambda column: case((column, "true"), else_="false"),
    "moment": lambda column: cast(cast(extract("epoch", column) * 1_000_000, BigInteger), Text),
    "json": lambda column: cast(cast(column, JSONB), Text),
    "date": lambda column: func.to_char(column, "YYYY-MM-DD"),
    "uuid": lambda column: cast(column, Text),
}
