"""Values of keys as JSON and back, so that a mark can hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_READ: Mapping[str, Callable[[str], Any]] = {
    "int": int,
    "str": str,
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "uuid": UUID,
    "bytes": bytes.fromhex,
}


def to_json(value: Any) -> list[str] | None:
    """Kind and text of a value; null for one that has no exact text.

    >>> to_json(7)
    ['int', '7']
    """
    found: list[str] | None = None
    if isinstance(value, bool | float):
        return None
    if isinstance(value, datetime | date):
        found = ["datetime" if isinstance(value, datetime) else "date", value.isoformat()]
    elif isinstance(value, bytes):
        found = ["bytes", value.hex()]
    else:
        kinds = {int: "int", str: "str", Decimal: "decimal", UUID: "uuid"}
        kind = kinds.get(type(value))
        found = None if kind is None else [kind, str(value)]
    return found


def from_json(found: Any) -> Any:
    """The value again."""
    kind, text = found
    return _READ[kind](text)
