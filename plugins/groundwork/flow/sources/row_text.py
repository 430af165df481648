"""Values as database drivers give them, as text for a column of the warehouse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from groundwork.flow.json_text import column_text


def value_text(value: Any, target: str) -> str | None:
    r"""`value` as the input text of a column; texts pass as they are, also those of JSON documents.

    >>> value_text(b"\x01", "boolean")
    'true'
    """
    if value is None or isinstance(value, str):
        return value
    kind = target.lower().strip()
    if isinstance(value, bytes | bytearray | memoryview):
        return _bytes_text(bytes(value), kind)
    if isinstance(value, timedelta) and kind.startswith("time"):
        seconds, rest = divmod(value.seconds, 60)
        hours, minutes = divmod(seconds + value.days * 1440, 60)
        fraction = f".{value.microseconds:06d}" if value.microseconds else ""
        return f"{hours:02d}:{minutes:02d}:{rest:02d}{fraction}"
    return column_text(value, target)


def _bytes_text(value: bytes, kind: str) -> str:
    if kind in ("boolean", "bool"):
        return "true" if any(value) else "false"  # a bit of MySQL
    if kind == "bytea":
        return f"\\x{value.hex()}"
    return value.decode("utf-8", "surrogateescape")
