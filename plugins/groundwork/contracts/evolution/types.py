"""From one column type to another: the same, wider, narrower, or another kind of value.

Types are read by PostgreSQL's own grammar, so that `int8` and `bigint` are one type. A type is wider when it holds
every value of the other unchanged and a reader sees the same kind of value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

_LADDERS = (("int2", "int4", "int8"), ("float4", "float8"))
_UNBOUNDED = 10**9
_TEXT = {"text", "varchar"}  # without a length they hold the same
_DEFAULT_MODIFIERS = {"bpchar": (1,), "bit": (1,)}
_FRACTIONS = {"time", "timetz", "timestamp", "timestamptz"}
_FINEST = 6  # digits of a second, when a type does not say
_ALIASES = {"char": "bpchar", "serial": "int4", "bigserial": "int8", "smallserial": "int2", "decimal": "numeric"}


class TypeStep(StrEnum):
    """What became of a type."""

    SAME = "same"
    WIDENED = "widened"
    NARROWED = "narrowed"
    CHANGED = "changed"


@dataclass(frozen=True)
class _Type:
    name: str
    modifiers: tuple[int, ...]
    dimensions: int


def type_step(old: str, new: str) -> TypeStep:
    """What it means that a column of type `old` has type `new` now; a type nobody can read is another one.

    >>> str(type_step("integer", "int8")), str(type_step("varchar(40)", "varchar(20)"))
    ('widened', 'narrowed')
    """
    if old.strip().lower() == new.strip().lower():
        return TypeStep.SAME
    first, second = _parsed(old), _parsed(new)
    if first is None or second is None or first.dimensions != second.dimensions:
        return TypeStep.CHANGED
    if first == second:
        return TypeStep.SAME
    forth, back = _holds(second, first), _holds(first, second)
    if forth and back:
        return TypeStep.SAME
    if forth:
        return TypeStep.WIDENED
    return TypeStep.NARROWED if back or _is_one_kind(first, second) else TypeStep.CHANGED


def _holds(wide: _Type, narrow: _Type) -> bool:
    """Whether every value of `narrow` is a value of `wide` that looks the same."""
    for ladder in _LADDERS:
        if wide.name in ladder and narrow.name in ladder:
            return ladder.index(wide.name) >= ladder.index(narrow.name)
    if wide.name in _TEXT and narrow.name in _TEXT:
        return _length(wide) >= _length(narrow)
    if wide.name != narrow.name:
        return False
    if wide.name == "numeric":
        return _numeric_holds(wide.modifiers, narrow.modifiers)
    if wide.name in _FRACTIONS:
        return (wide.modifiers or (_FINEST,)) >= (narrow.modifiers or (_FINEST,))
    return _length(wide) >= _length(narrow) if wide.name == "varbit" else wide.modifiers == narrow.modifiers


def _is_one_kind(first: _Type, second: _Type) -> bool:
    """Whether two types of which none holds the other still are one kind: numeric(10,4) and numeric(12,2)."""
    return first.name == second.name == "numeric"


def _numeric_holds(wide: tuple[int, ...], narrow: tuple[int, ...]) -> bool:
    if not wide:
        return True
    if not narrow:
        return False
    (precision, scale), (other, fraction) = ((*modifiers, 0)[:2] for modifiers in (wide, narrow))
    return precision - scale >= other - fraction and scale >= fraction


def _length(found: _Type) -> int:
    return found.modifiers[0] if found.modifiers and found.name != "text" else _UNBOUNDED


@lru_cache(maxsize=512)
def _parsed(text: str) -> _Type | None:
    from pglast import parse_sql
    from pglast.parser import ParseError

    try:
        (statement,) = parse_sql(f"SELECT NULL::{text}")
        select: Any = statement.stmt
        (target,) = select.targetList
        written = target.val.typeName
        name = written.names[-1].sval
        modifiers = tuple(int(modifier.val.ival) for modifier in written.typmods or ())
    except (ParseError, ValueError, AttributeError, TypeError):
        return None  # not a type, or one with modifiers that are no numbers
    if target.name is not None or select.fromClause:
        return None
    name = _ALIASES.get(name, name)
    return _Type(name, modifiers or _DEFAULT_MODIFIERS.get(name, ()), len(written.arrayBounds or ()))
