"""What it means that the limits of a column's values changed: `logicalTypeOptions` and `enum`."""

from __future__ import annotations

import json
from typing import Any

from groundwork.contracts.evolution.change import Audience
from groundwork.contracts.evolution.difference import Difference
from groundwork.contracts.evolution.judgement import Verdict, Verdicts, allowed, asked, breaks, unknown

_LEAST = frozenset(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
_MOST = frozenset(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])
_INTEGERS = ("i8", "i16", "i32", "i64", "i128")


def judge_options(difference: Difference) -> Verdicts:
    """The verdict on one option of `logicalTypeOptions`."""
    name = (difference.attribute or "").rpartition(".")[2]
    old, new = difference.old_value, difference.new_value
    if name in _LEAST or name in _MOST:
        yield _bound(name, old, new)
    elif name == "pattern":
        yield _pattern(old, new)
    elif name == "format":
        yield _format(old, new)
    elif name == "multipleOf":
        yield _step(old, new)
    elif name == "uniqueItems":
        yield asked("items must be unique") if new else allowed("items may repeat")
    elif name == "required":
        yield from _required_keys(old, new)
    else:
        yield unknown(difference)


def judge_enum(difference: Difference) -> Verdicts:
    """The verdicts on a list of allowed values: one for what is gone, one for what is new."""
    old, new = difference.old_value, difference.new_value
    if old is None:
        yield asked(f"only {_listed(new)} may be written", new=new)
        return
    if new is None:
        yield allowed("any value may be written", old=old)
        return
    gone, fresh = _without(old, new), _without(new, old)
    if gone:
        yield asked(f"{_listed(gone)} may no longer be written", old=gone)
    if fresh:
        yield allowed(f"{_listed(fresh)} may be written", new=fresh)
    if not gone and not fresh:
        yield unknown(difference)


def _bound(name: str, old: Any, new: Any) -> Verdict:
    if isinstance(old, bool) or isinstance(new, bool):  # the form of JSON Schema's fourth draft
        return asked(f"`{name}` excludes the limit itself") if new else allowed(f"`{name}` includes the limit itself")
    if old is None:
        return asked(f"`{name}` is {new}")
    if new is None:
        return allowed(f"no `{name}` any more")
    order = _order(old, new)
    if order is None:
        return breaks(Audience.WRITERS, f"`{name}` went from {old} to {new}, which cannot be compared")
    is_tighter = order < 0 if name in _LEAST else order > 0
    return (asked if is_tighter else allowed)(f"`{name}` goes from {old} to {new}")


def _order(old: Any, new: Any) -> int | None:
    """Negative when `old` is less than `new`; null when they are not of one kind. Dates are compared as ISO text."""
    is_number = isinstance(old, int | float) and isinstance(new, int | float)
    is_text = isinstance(old, str) and isinstance(new, str) and len(old) == len(new)
    return (old > new) - (old < new) if is_number or is_text else None


def _pattern(old: Any, new: Any) -> Verdict:
    if old is None:
        return asked(f"values must match {new}")
    if new is None:
        return allowed("values need not match a pattern")
    return breaks(Audience.WRITERS, "the pattern is another one: what matched before may not match now")


def _format(old: Any, new: Any) -> Verdict:
    if old in _INTEGERS and new in _INTEGERS:
        is_wider = _INTEGERS.index(new) > _INTEGERS.index(old)
        return (allowed if is_wider else asked)(f"whole numbers go from {old} to {new}")
    if old is None:
        return asked(f"values have the format {new}")
    if new is None:
        return allowed("values need no format")
    return breaks(Audience.BOTH, "values are written in another way")


def _step(old: Any, new: Any) -> Verdict:
    if old is None:
        return asked(f"values are multiples of {new}")
    if new is None:
        return allowed("values need not be multiples of anything")
    is_finer = isinstance(old, int) and isinstance(new, int) and new != 0 and old % new == 0
    return (allowed if is_finer else asked)(f"values are multiples of {new}, not of {old}")


def _required_keys(old: Any, new: Any) -> Verdicts:
    gone, fresh = _without(old or [], new or []), _without(new or [], old or [])
    if fresh:
        yield asked(f"the keys {_listed(fresh)} must be there", new=fresh)
    if gone:
        yield breaks(Audience.READERS, f"the keys {_listed(gone)} may be missing", old=gone)


def _without(first: list[Any], second: list[Any]) -> list[Any]:
    known = {json.dumps(value, default=str) for value in second}
    return [value for value in first if json.dumps(value, default=str) not in known]


def _listed(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)
