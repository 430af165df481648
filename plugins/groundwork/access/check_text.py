"""Values in files of text: what a field means, and the one text by which equal values are equal.

A field is read as the server's COPY would read it where that is unambiguous (`t` and `true`, `{a,b}` for a list), by
the rules of `groundwork.access.values` else. An empty field without quotes is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, TypeVar

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.access.values import Reader, Refused, reader_for, text_reader_for
from groundwork.flow.json_text import column_text

_T = TypeVar("_T")
_TRUTH = {"true": True, "t": True, "false": False, "f": False}
_MOST_DIGITS = 2000  # more than any number has that was read
_ELEMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^,"{}\\]+?))\s*(,|$)', re.DOTALL)


def file_reader_for(kind: TypeEngine[Any]) -> Reader:
    """The reader of a field's text (or of a value that a file holds as more than text); it raises Refused."""
    from_text = _text_reader(kind)
    from_value = reader_for(kind)
    return lambda value: from_text(value) if isinstance(value, str) else from_value(value)


def canonical(value: object, kind: TypeEngine[Any]) -> str | None:
    """The text by which values are compared: those of one type are equal exactly when their texts are.

    Not so for floating-point numbers and JSON documents. Null for null.
    """
    if isinstance(value, Decimal) and getattr(kind, "precision", None) is None:
        with localcontext(prec=_MOST_DIGITS):
            return _plain(value.normalize())
    return input_text(value, kind)


def input_text(value: object, kind: TypeEngine[Any]) -> str | None:
    """The text of a value that was read, as the server's input functions take it; null for null."""
    if value is None:
        return None
    if isinstance(kind, sqltypes.JSON):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, Decimal):
        return _plain(value)
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, timedelta):
        return f"P{value.days}DT{value.seconds + value.microseconds / 1_000_000:f}S"
    return column_text(value, "text[]" if isinstance(kind, postgresql.ARRAY) else "text")


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _plain(number: Decimal) -> str:
    """Without an exponent and without a sign before zero."""
    return format(number if number else abs(number), "f")


def _text_reader(kind: TypeEngine[Any]) -> Callable[[str], object]:
    if isinstance(kind, sqltypes.Boolean):
        return _boolean
    if isinstance(kind, postgresql.ARRAY):
        return _array(_text_reader(kind.item_type), reader_for(kind.item_type))
    return text_reader_for(kind, with_limits=True)


def _boolean(text: str) -> object:
    found = _TRUTH.get(text.lower())
    if found is None:
        raise Refused("true or false")
    return found


def _array(element: Callable[[str], object], value: Reader) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text.startswith("["):
            return [value(_member(member)) for member in _json_list(text)]
        return [element(_member(member)) for member in _elements(text)]

    return read


def _member(value: _T | None) -> _T:
    """A member of a list; as in JSON, none of ours is null."""
    if value is None:
        raise Refused("a list without nulls")
    return value


def _json_list(text: str) -> list[object]:
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise Refused("a list, as {a,b} or as JSON")
    return found


def _elements(text: str) -> Iterator[str | None]:
    """The elements of a one-dimensional list as PostgreSQL writes it."""
    inner = text.strip()
    if not (inner.startswith("{") and inner.endswith("}")):
        raise Refused("a list, as {a,b} or as JSON")
    inner, place = inner[1:-1], 0
    while inner.strip() and place <= len(inner):
        match = _ELEMENT.match(inner, place)
        if match is None:
            raise Refused("a list, as {a,b} or as JSON")
        quoted, bare, mark = match.groups()
        yield re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else None if bare.upper() == "NULL" else bare
        if not mark:
            return
        place = match.end()
