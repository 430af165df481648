"""Values of JSON and of Python as the text that PostgreSQL's input functions read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

_JSON_TYPES = ("json", "jsonb")
_PLAIN = (str, int, Decimal)  # whose text is their own; asked first, because nearly all values are of them


def parse(line: str) -> Any:
    """One JSON value; decimals stay exact. Raises ValueError for anything that JSON itself does not allow."""
    try:
        return json.loads(line, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ArithmeticError as error:
        raise ValueError("a number beyond all bounds") from error


def parse_bytes(text: bytes) -> Any:
    """What `parse` makes of the same text, several times as fast.

    Raises: ValueError, ArithmeticError or RecursionError where `parse` may still have a value: it takes what few others
    do (a byte order mark, half of a surrogate pair).
    """
    return _quick_parser()(text)


@cache
def _quick_parser() -> Callable[[bytes], Any]:
    import msgspec

    return msgspec.json.Decoder(float_hook=Decimal).decode


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def column_text(value: Any, column_type: str) -> str | None:
    """`value` as the input text of a column; null stays null.

    >>> column_text(["a", None], "text[]")
    '{"a",NULL}'
    """
    if value is None:
        return None
    if column_type.lower() in _JSON_TYPES:
        return json_value(value)
    if type(value) in _PLAIN:
        return str(value)
    if isinstance(value, Mapping):
        return json_value(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "{" + ",".join(_element(item, column_type.removesuffix("[]")) for item in value) + "}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    return str(value)


def _element(value: Any, element_type: str) -> str:
    text = column_text(value, element_type)
    if text is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return text  # a row of a matrix is not quoted
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _InexactError(Exception):
    """A number that `json` would round."""


def json_value(value: Any) -> str:
    """`value` as JSON; numbers keep all their digits, not-a-number and infinity are texts.

    >>> json_value({"a": Decimal("1.00000000000000000001")})
    '{"a": 1.00000000000000000001}'
    """
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)
    except (_InexactError, ValueError, TypeError):
        return _exact(value)


def _exact(value: Any) -> str:
    """The same, piece by piece."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_exact(str(key))}: {_exact(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_exact, value)) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    is_finite = not isinstance(value, float | Decimal) or math.isfinite(value)
    told = _scalar(value) if isinstance(value, bytes | timedelta) or not is_finite else value
    return json.dumps(told, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What `json` does not know: decimals as numbers, dates, times and ids as text."""
    if isinstance(value, Decimal):
        if value.is_finite() and value == value.to_integral_value() and value.as_tuple().exponent == 0:
            return int(value)
        if not value.is_finite() or Decimal(repr(float(value))) != value:
            raise _InexactError
        return float(value)
    if isinstance(value, datetime | date | time | UUID):
        return str(value) if isinstance(value, UUID) else value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON value")
