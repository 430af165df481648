"""Columns of values as the text that PostgreSQL's input functions read: the same texts as value by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

_PLAIN = frozenset({str, int, Decimal})  # whose text is their own


def column_texts(values: Sequence[Any], target: str, text_of: Callable[[Any, str], str | None]) -> Sequence[str | None]:
    """What `text_of` makes of each value for a column of type `target`."""
    kinds = set(map(type, values))
    has_nulls = type(None) in kinds
    kinds.discard(type(None))
    if target.lower() in ("json", "jsonb") or not kinds <= _PLAIN:
        return [text_of(value, target) for value in values]
    if kinds <= {str}:
        return values
    return [None if value is None else str(value) for value in values] if has_nulls else list(map(str, values))


def are_storable(texts: Sequence[str | None]) -> bool:
    """Whether PostgreSQL can receive every one of them."""
    joined = "".join(filter(None, texts))
    if "\x00" in joined:
        return False
    try:
        joined.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
