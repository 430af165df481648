"""Patterns that all values of a column share, made from the shapes of the values and nothing else.

A shape is a value with capitals as `A`, small letters as `a` and digits as `9`; other characters stay. The shapes of
millions of values are few where the values are codes, and many where they are free text, which has no pattern.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

MOST_SHAPES = 200  # a column with more shapes is free text
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
URI = r"^[A-Za-z][A-Za-z0-9+.\-]*:\S+$"
_CLASS = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}
_FEWEST_VALUES = 20  # distinct values from which a common shape is no chance
_LONGEST = 64  # characters of a code
_ECMA_SPECIAL = re.compile(r"([\\^$.|?*+()\[\]{}])")


def shape_of(value: str) -> str:
    """The shape of one value.

    >>> shape_of("AB-12c")
    'AA-99a'
    """
    return re.sub(r"[0-9]", "9", re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", value)))


def pattern_of_values(values: Iterable[str]) -> str | None:
    """The pattern that all of `values` match, or null where they share none or are too few to tell."""
    found = set(values)
    return pattern_of_shapes({shape_of(value) for value in found}, len(found))


def pattern_of_shapes(shapes: Collection[str], distinct: int) -> str | None:
    r"""The pattern that all values of these shapes match; `distinct` counts the values behind them.

    Runs of one class keep their length where all shapes agree on it and are open (`+`) where not, so that a longer
    value of the same make still fits. Null for free text: spaces, letters outside ASCII, or shapes that differ in make.

    >>> pattern_of_shapes({"A99", "A999"}, 40)
    '^[A-Z][0-9]+$'
    """
    if distinct < _FEWEST_VALUES or not shapes or any(not _is_code(shape) for shape in shapes):
        return None
    runs = [_runs(shape) for shape in sorted(shapes)]
    makes = {tuple(symbol for symbol, _ in run) for run in runs}
    if len(makes) > 1:
        return _of_letters(shapes)
    make = makes.pop()
    if len(make) == 1 and make[0] == "a":
        return None  # one small word each: as well the start of free text
    parts = []
    for place, symbol in enumerate(make):
        lengths = {run[place][1] for run in runs}
        parts.append(_part(symbol, lengths))
    return f"^{''.join(parts)}$"


def _is_code(shape: str) -> bool:
    return 0 < len(shape) <= _LONGEST and shape.isascii() and shape.isprintable() and " " not in shape


def _runs(shape: str) -> list[tuple[str, int]]:
    """Runs of one class with their lengths."""
    return [(match[0][0], len(match[0])) for match in re.finditer(r"A+|a+|9+|[^Aa9]", shape)]


def _part(symbol: str, lengths: set[int]) -> str:
    written = _CLASS.get(symbol) or _ECMA_SPECIAL.sub(r"\\\1", symbol)
    if lengths == {1} and len(lengths) == 1:
        return written
    return f"{written}{{{lengths.pop()}}}" if len(lengths) == 1 else f"{written}+"


def _of_letters(shapes: Collection[str]) -> str | None:
    """Codes of capitals and digits in any order, with no other character."""
    symbols = set("".join(shapes))
    return "^[A-Z0-9]+$" if symbols == {"A", "9"} and not all(set(shape) == {"9"} for shape in shapes) else None
