"""Keys by which rows of another database are told apart, put in order, and found again by a reading that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, literal, tuple_
from sqlalchemy.types import Date, DateTime, Float, Integer, LargeBinary, NullType, Numeric, String, Uuid

from groundwork.flow.record import Mark
from groundwork.flow.sources.key_text import from_json, to_json
from groundwork.model.errors import ConfigError

_MARKED = (Integer, String, Numeric, DateTime, Date, Uuid, LargeBinary)
Key = tuple[Any, ...]


def can_be_marked(keys: Sequence[ColumnElement[Any]]) -> bool:
    """Whether every value of these columns has an exact text, so that a mark can hold it."""
    return bool(keys) and all(isinstance(each.type, _MARKED) and not isinstance(each.type, Float) for each in keys)


def last_key(last: Key | None, keys: Sequence[Key], where: str) -> Key | None:
    """The last of the keys, which follow `last`; raises ConfigError when they do not tell rows apart."""
    if any(None in key for key in keys) or any(one == other for one, other in pairwise([last, *keys])):
        raise ConfigError(
            "the key of the source does not tell its rows apart",
            where=f"{where}, source.key",
            expected="columns that are never null and together unique",
            found="a null" if any(None in key for key in keys) else "the same key twice",
            next_step="declare another `source.key`, or an empty one to read without",
        )
    return keys[-1] if keys else last


def key_mark(key: Key | None, until: str | None) -> Mark | None:
    """The mark of a reading that has come to `key` and goes no further than `until`; null when no mark can hold it."""
    texts = [to_json(value) for value in key or ()]
    if not texts or None in texts:
        return None
    return {"key": texts} if until is None else {"key": texts, "until": until}


def marked_key(mark: Mark) -> Key:
    """The key that a mark holds."""
    return tuple(from_json(value) for value in mark["key"])


def at_or_behind(keys: Sequence[ColumnElement[Any]], values: Key) -> ColumnElement[Any]:
    """Rows whose key is `values` or comes behind it."""
    if len(keys) == 1:
        return keys[0] >= _literal(values[0], keys[0])
    return tuple_(*keys) >= tuple_(*(_literal(value, key) for key, value in zip(keys, values, strict=True)))


def _literal(value: Any, key: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(value) if isinstance(key.type, NullType) else literal(value, key.type)


def no_key(where: str) -> ConfigError:
    """The error for a table without a key that is to be read from the middle."""
    return ConfigError(
        "a source without a key cannot be read from the middle",
        where=where,
        next_step="declare `source.key`, or start the load again",
    )
