"""Many JSON objects at once, column by column: the very records that they are one by one, in a fraction of the time.

What is not certain to be the same (a broken object, an unknown key, text that PostgreSQL cannot hold) goes the exact
way, object by object. Raw forms are made when somebody asks for them, which for a good record nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from groundwork.flow.json_text import column_text, json_value, parse_bytes
from groundwork.flow.record import Reason, storable
from groundwork.flow.sources.objects import ObjectReader, found_at, shown_line
from groundwork.flow.sources.record_batch import FoundRecord
from groundwork.flow.sources.text_columns import are_storable, column_texts

_UNREAD = object()
_WHOLE: tuple[Reason, ...] = ()


class LineOf(Mapping[str, str]):
    """`{"line": …}`, the raw form of an object as `make` tells it."""

    __slots__ = ("_make", "_value")

    def __init__(self, make: Callable[[Any], str], value: Any) -> None:
        self._make = make
        self._value = value

    def __getitem__(self, key: str) -> str:
        """The line."""
        if key != "line":
            raise KeyError(key)
        return self._make(self._value)

    def __iter__(self) -> Iterator[str]:
        """The only key."""
        yield "line"

    def __len__(self) -> int:
        """One."""
        return 1


def line_records(reader: ObjectReader, texts: Sequence[bytes]) -> tuple[FoundRecord, ...]:
    """The records in the texts of objects, as `reader.line` finds them."""
    values = [_read(text) for text in texts]
    raws = list(map(LineOf, repeat(shown_line), texts))

    def exact(place: int) -> FoundRecord:
        value = values[place]
        return reader.line(texts[place]) if value is _UNREAD else reader.value(value, raws[place])

    return _records(reader, values, raws, exact)


def value_records(reader: ObjectReader, values: Sequence[Any]) -> tuple[FoundRecord, ...]:
    """The records of parsed values, as `reader.value` finds them."""
    raws = list(map(LineOf, repeat(shown_value), values))
    return _records(reader, values, raws, lambda place: reader.value(values[place], raws[place]))


def shown_value(value: Any) -> str:
    """The raw form of a value that has no text of its own."""
    return storable(json_value(value))


def _read(text: bytes) -> Any:
    try:
        return parse_bytes(text)
    except (ValueError, ArithmeticError, RecursionError):
        return _UNREAD


def _records(
    reader: ObjectReader, values: Sequence[Any], raws: Sequence[LineOf], exact: Callable[[int], FoundRecord]
) -> tuple[FoundRecord, ...]:
    others = {place for place, is_plain in enumerate(_are_plain(reader, values)) if not is_plain}
    plain = [value for place, value in enumerate(values) if place not in others] if others else values
    columns = _columns(reader, plain)
    if columns is None:
        return tuple(map(exact, range(len(values))))
    if not others:
        return tuple(zip(columns, raws, repeat(_WHOLE), strict=False))
    return tuple(exact(place) if place in others else (next(columns), raw, _WHOLE) for place, raw in enumerate(raws))


def _are_plain(reader: ObjectReader, values: Sequence[Any]) -> Iterator[bool]:
    """Of each value whether it is an object without a key that nobody knows."""
    if not reader.refuses_unknown:
        return (type(value) is dict for value in values)
    known = {*reader.mapping.values(), *reader.ignored}
    return (type(value) is dict and value.keys() <= known for value in values)


def _columns(reader: ObjectReader, values: Sequence[Any]) -> Iterator[tuple[str | None, ...]] | None:
    """The values of every object; null when they are not certain to be what PostgreSQL can receive."""
    found = []
    for column, key in reader.mapping.items():
        texts = column_texts(_at(reader, key, values), reader.types[column], column_text)
        if not are_storable(texts):
            return None
        found.append(texts)
    return zip(*found, strict=True) if found else None


def _at(reader: ObjectReader, key: str, values: Sequence[dict[str, Any]]) -> list[Any]:
    if key.startswith("/"):
        return [found_at({**reader.constants, **value}, key) for value in values]
    constant = reader.constants.get(key)
    return [value.get(key, constant) for value in values]
