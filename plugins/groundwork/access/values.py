"""One value at a time: from JSON, Python or the text of a URL to what the database takes for a column's type.

A reader accepts the Python value and its JSON form alike (`date` or `"2012-06-01"`), and refuses everything else with
a sentence that says what it expected. It knows types only; ranges and patterns are `groundwork.access.validation`'s.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Any
from uuid import UUID

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

Reader = Callable[[object], object]
_LARGEST_EXPONENT = 300  # powers of ten; beyond it a number is an attack on the server's memory, not a quantity
_LARGEST_DIGITS = 1000
_SHOWN_LETTERS = 100
_DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,40}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BYTES = re.compile(r"\\x([0-9a-f]{2})*", re.ASCII | re.IGNORECASE)


class Refused(Exception):  # noqa: N818  a signal between a reader and its caller, never shown by itself
    """The value does not fit the type; the message says what was expected."""


def reader_for(kind: TypeEngine[Any]) -> Reader:
    """The reader of values of an SQL type; it raises Refused."""
    if isinstance(kind, postgresql.ARRAY):
        return _array(reader_for(kind.item_type))
    for sql_type, reader in _READERS:
        if isinstance(kind, sql_type):
            found: Reader = reader(kind) if sql_type in _SHAPED else reader
            return found
    return _text


def text_reader_for(kind: TypeEngine[Any], *, with_limits: bool = False) -> Callable[[str], object]:
    """The reader of the text form of a type, as it stands in a URL; it raises Refused.

    Text to compare with may be longer than the column's own; `with_limits` reads text to be written.
    """
    read = reader_for(kind if with_limits else _without_limits(kind))
    if isinstance(kind, sqltypes.Integer):
        return lambda text: read(_whole_number(text))
    if isinstance(kind, sqltypes.Numeric | sqltypes.Float):
        return lambda text: read(_decimal(text))
    if isinstance(kind, sqltypes.Boolean):
        return _boolean_text
    if isinstance(kind, sqltypes.JSON):
        return lambda text: read(_json_text(text))
    if isinstance(kind, sqltypes.DateTime):
        return lambda text: read(_day_begins(text, with_zone=bool(kind.timezone)))
    return read


def comparison_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type to bind a value as when it is compared: without length and scale, which would cut the value."""
    return _without_limits(kind)


def json_value(value: object) -> object:
    """`value` as a JSON document can hold it: text without NUL, finite numbers, plain containers.

    Raises: Refused.
    """
    if isinstance(value, dict):
        return {_text(key): json_value(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(member) for member in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= 10**_LARGEST_EXPONENT:
            raise Refused(f"numbers below 1e{_LARGEST_EXPONENT}")
        return value
    if isinstance(value, float | Decimal):
        number = float(value) if _is_moderate(value) else math.inf
        if math.isfinite(number):
            return number
        raise Refused("finite numbers that a double can hold")
    raise Refused("values that JSON knows: text, numbers, true, false, null, lists and objects")


def shown(value: object) -> str:
    """A refused value as a message repeats it: short, in ASCII, and made at little cost."""
    if value is None:
        return "null"
    if isinstance(value, int) and abs(value) >= 10**_LARGEST_EXPONENT:
        return "a number of more than 300 digits"
    text = ascii(value[:_SHOWN_LETTERS] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]} ..."


def _without_limits(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, sqltypes.Float):
        return kind
    if isinstance(kind, sqltypes.Numeric):
        return postgresql.NUMERIC()
    if isinstance(kind, sqltypes.String) and not isinstance(kind, postgresql.TSVECTOR):
        return postgresql.TEXT()
    return kind


def _integer(low: int, high: int) -> Reader:
    def read(value: object) -> object:
        number = value
        if isinstance(value, float | Decimal) and _is_moderate(value) and value == int(value):
            number = int(value)
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise Refused(f"a whole number from {low} to {high}")
        return number

    return read


def _numeric(kind: Any) -> Reader:
    """Rounds half away from zero to the declared scale, as the server does on assignment, so that bounds see it."""
    precision, scale = kind.precision, kind.scale or 0
    limit = None if precision is None else Decimal(10) ** (precision - scale)

    def read(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise Refused("a number")
        if isinstance(value, int) and abs(value) >= 10**_LARGEST_EXPONENT:
            raise Refused(f"a number below 1e{_LARGEST_EXPONENT}")
        if not isinstance(value, int) and not _is_moderate(value):
            raise Refused(f"a finite number below 1e{_LARGEST_EXPONENT}")
        number = value if isinstance(value, Decimal) else Decimal(str(value))
        if limit is None:
            return number
        with localcontext(prec=2 * _LARGEST_DIGITS):
            number = number.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
        if abs(number) >= limit:
            raise Refused(f"a number between -{limit:f} and {limit:f}")
        return number

    return read


def _float(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or not _is_moderate(value):
        raise Refused("a finite number")
    return float(value)


def _is_moderate(value: int | float | Decimal) -> bool:
    """Whether turning the number into digits is cheap."""
    if isinstance(value, int):
        return bool(abs(value) < 10**_LARGEST_EXPONENT)
    number = value if isinstance(value, Decimal) else Decimal(value)
    if not number.is_finite():
        return False
    return bool(abs(number.adjusted()) <= _LARGEST_EXPONENT and len(number.as_tuple().digits) <= _LARGEST_DIGITS)


def _boolean(value: object) -> object:
    if not isinstance(value, bool):
        raise Refused("true or false")
    return value


def _date(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Refused("a date as YYYY-MM-DD")


def _moment(value: object) -> object:
    found = _parsed_moment(value)
    if found is None or found.tzinfo is None:
        raise Refused("a moment with its zone as YYYY-MM-DDThh:mm:ssZ")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise Refused("a moment in the years 1 to 9999, UTC") from None


def _local_moment(value: object) -> object:
    found = _parsed_moment(value)
    if found is None or found.tzinfo is not None:
        raise Refused("a moment without a zone as YYYY-MM-DDThh:mm:ss")
    return found


def _parsed_moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    # A bare date parses too; it is no moment. RFC 3339 writes T and Z in either case.
    if not isinstance(value, str) or len(value) < 16 or not value.isascii():
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def _timestamp(kind: Any) -> Reader:
    return _moment if kind.timezone else _local_moment


def _time(value: object) -> object:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        raise Refused("a time of day as hh:mm:ss")
    return found


def _interval(value: object) -> object:
    if isinstance(value, timedelta) or (isinstance(value, str) and _DURATION.fullmatch(value)):
        return value
    raise Refused("a duration in ISO 8601, such as P1DT2H")


def _uuid(value: object) -> object:
    if isinstance(value, UUID):
        return value
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise Refused("a UUID as xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")


def _network_address(value: object) -> object:
    try:
        return str(ipaddress.ip_interface(value)) if isinstance(value, str) else str(ipaddress.ip_interface(str(value)))
    except ValueError:
        raise Refused("an IP address, with or without its network") from None


def _bytes(value: object) -> object:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and _BYTES.fullmatch(value):
        return bytes.fromhex(value[2:])
    raise Refused("bytes in hexadecimal after \\x")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused("text")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused("text without NUL and without half surrogate pairs")
    return value


def _array(element: Reader) -> Reader:
    def read(value: object) -> object:
        if not isinstance(value, list | tuple):
            raise Refused("a list")
        return [element(member) for member in value]

    return read


def _whole_number(text: str) -> object:
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else text


def _decimal(text: str) -> object:
    try:
        return Decimal(text) if text.isascii() and "_" not in text else text
    except InvalidOperation:
        return text


def _boolean_text(text: str) -> object:
    if text not in ("true", "false"):
        raise Refused("true or false")
    return text == "true"


def _day_begins(text: str, *, with_zone: bool) -> str:
    """A bare date means the moment at which it begins, in UTC where the type has a zone."""
    return f"{text}T00:00:00{'Z' if with_zone else ''}" if _DAY.fullmatch(text) else text


def _json_text(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("a JSON document") from None


_READERS: tuple[tuple[type[TypeEngine[Any]], Any], ...] = (
    (sqltypes.SmallInteger, _integer(-(2**15), 2**15 - 1)),
    (sqltypes.BigInteger, _integer(-(2**63), 2**63 - 1)),
    (sqltypes.Integer, _integer(-(2**31), 2**31 - 1)),
    (sqltypes.Float, _float),
    (sqltypes.Numeric, _numeric),
    (sqltypes.Boolean, _boolean),
    (sqltypes.DateTime, _timestamp),
    (sqltypes.Date, _date),
    (sqltypes.Time, _time),
    (postgresql.INTERVAL, _interval),
    (sqltypes.Uuid, _uuid),
    (sqltypes.JSON, json_value),
    (postgresql.INET, _network_address),
    (sqltypes.LargeBinary, _bytes),
)
_SHAPED = {sqltypes.Numeric, sqltypes.DateTime}  # their reader is made from the type's own precision or zone
