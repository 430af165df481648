"""What a refused value was probably meant to be.

A correction is offered only when it passes the column's own rules (`accepts` is asked), and it says whether it is the
only way to read the value. `01/02/2024` has two readings, so both are told and neither is called sure. Nothing is
changed by itself: a person decides.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeEngine

from groundwork.access.field_rules import FieldRule, RuleKind
from groundwork.access.suggestion_dates import dates, moments
from groundwork.access.suggestion_numbers import numbers
from groundwork.access.values import Reader, Refused

_NUMBERS = (sqltypes.Integer, sqltypes.Numeric, sqltypes.Float)
_LONGEST = 200  # letters of a value that corrections are looked for; more is no slip of the pen
_LARGEST_EXPONENT = 40  # powers of ten of a number, likewise
_CLOSE_ENOUGH = 0.6
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "on", "ja", "oui", "si"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "off", "nein", "non"), False),
}
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_NO_VALUE = {"", "-", "--", "n/a", "na", "null", "none", "nil", "nan", "#n/a", "?"}
_ABOVE = (RuleKind.MINIMUM, RuleKind.EXCLUSIVE_MINIMUM)
_BELOW = (RuleKind.MAXIMUM, RuleKind.EXCLUSIVE_MAXIMUM)


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A value that passes, in its JSON form; `is_sure` when the refused value can mean nothing else."""

    value: object
    is_sure: bool


def correction(
    kind: TypeEngine[Any], rules: Sequence[FieldRule], value: object, accepts: Callable[[object], bool]
) -> tuple[Correction, ...]:
    """The readings of a refused `value` that pass, best first: none, the one that is sure, or up to two doubtful ones.

    `accepts` says whether a value in JSON form meets type and rules.
    """
    if not _is_short(value):
        return ()
    found: list[object] = []
    for candidate in _candidates(kind, rules, value):
        if candidate not in found and accepts(candidate):
            found.append(candidate)
        if len(found) == 2:
            break
    sure = len(found) == 1 and not _is_guess(kind, rules, value, found[0])
    return tuple(Correction(value=each, is_sure=sure) for each in found)


def near(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that `name` probably means, whatever its case and separators; null when none is close."""
    known = {_bare(each): each for each in names}
    if _bare(name) in known:
        return known[_bare(name)]
    close = difflib.get_close_matches(_bare(name)[:100], known, n=1, cutoff=_CLOSE_ENOUGH)
    return known[close[0]] if close else None


def means_no_value(value: object) -> bool:
    """Whether `value` is one of the words that people write for an absent value."""
    return isinstance(value, str) and value.strip().lower() in _NO_VALUE


def range_hint(rules: Sequence[FieldRule], read: object) -> str | None:
    """What the nearest value allowed is, for a value of the right type outside its range; null when it is inside."""
    for rule in rules:
        if rule.kind in (*_ABOVE, *_BELOW) and not rule.holds(read):
            side = "smallest" if rule.kind in _ABOVE else "largest"
            if rule.kind in (RuleKind.MINIMUM, RuleKind.MAXIMUM):
                return f"the {side} value allowed is {rule.argument}"
            return f"it must be {rule.expected}"
        if rule.kind is RuleKind.MAX_LENGTH and not rule.holds(read):
            return f"it has {len(str(read))} letters, {len(str(read)) - rule.argument} too many"
    return None


def _is_short(value: object) -> bool:
    """Whether looking for corrections costs little."""
    if isinstance(value, str):
        return len(value) <= _LONGEST
    if isinstance(value, int):
        return bool(abs(value) < 10**_LARGEST_EXPONENT)
    if isinstance(value, float | Decimal):
        number = Decimal(value)
        digits = len(number.as_tuple().digits)
        return number.is_finite() and abs(number.adjusted()) < _LARGEST_EXPONENT and digits < _LONGEST
    return True


def readable(kind: TypeEngine[Any], rules: Sequence[FieldRule], value: object, read: Reader) -> object:
    """What a refused `value` seems to mean as a value of the type, whatever the rules say of it; else null."""
    if not _is_short(value):
        return None
    for candidate in _candidates(kind, rules, value):
        try:
            return read(candidate)
        except Refused:
            continue
    return None


def _candidates(kind: TypeEngine[Any], rules: Sequence[FieldRule], value: object) -> Iterator[object]:
    """Readings of the value, in the order of how likely they are."""
    if isinstance(value, str):
        yield value.strip()
    if isinstance(kind, sqltypes.Boolean):
        yield from _booleans(value)
    elif isinstance(kind, _NUMBERS):
        yield from numbers(value, whole=isinstance(kind, sqltypes.Integer))
        yield from _other_sign(rules, value)
    elif isinstance(kind, sqltypes.DateTime):
        yield from (each.isoformat() for each in moments(value, with_zone=bool(kind.timezone)))
    elif isinstance(kind, sqltypes.Date):
        yield from (each.isoformat() for each in dates(value))
    elif isinstance(kind, sqltypes.Uuid):
        yield from _uuids(value)
    elif isinstance(kind, sqltypes.JSON):
        yield from _documents(value)
    elif isinstance(kind, sqltypes.String):
        yield from _texts(rules, value)


def _is_guess(kind: TypeEngine[Any], rules: Sequence[FieldRule], value: object, found: object) -> bool:
    """Whether the correction changes what the value says, not only how it is written."""
    if isinstance(kind, _NUMBERS):
        return _sign(value) != _sign(found)
    if isinstance(kind, sqltypes.DateTime):
        has_zone = isinstance(value, str) and re.search(r"(Z|UTC|GMT|[+-]\d{2}:?\d{2})\s*$", value) is not None
        return bool(kind.timezone) != has_zone
    if isinstance(kind, sqltypes.Date):
        clock = re.search(r"\d{1,2}(:\d{2})+", str(value))
        return isinstance(value, datetime) or bool(clock and clock[0].strip("0:"))
    if isinstance(kind, sqltypes.String) and isinstance(value, str) and isinstance(found, str):
        is_word = any(rule.kind is RuleKind.ONE_OF for rule in rules)
        same = _bare if is_word else _folded
        return same(found) != same(value)
    return False


def _sign(value: object) -> bool:
    """Whether a number, or the text of one, is negative."""
    if isinstance(value, int | float | Decimal):
        return value < 0
    return any(mark in str(value) for mark in "-\u2212(")


def _folded(text: str) -> str:
    return " ".join(text.replace("\x00", "").split()).casefold()


def _booleans(value: object) -> Iterator[object]:
    word = str(value).strip().lower()
    if word in _TRUTH:
        yield _TRUTH[word]


def _other_sign(rules: Sequence[FieldRule], value: object) -> Iterator[object]:
    """The amount without its sign, where the range says that it cannot be negative."""
    if any(rule.kind in _ABOVE for rule in rules):
        for found in numbers(value, whole=False):
            if found < 0:
                yield -found if found != int(found) else int(-found)


def _uuids(value: object) -> Iterator[object]:
    digits = re.sub(r"^urn:uuid:|[{}\s-]", "", str(value), flags=re.IGNORECASE)
    if _HEX.fullmatch(digits):
        yield str(UUID(digits))


def _documents(value: object) -> Iterator[object]:
    """The document that a text holds, also when it is written as Python prints one."""
    if not isinstance(value, str):
        return
    for text in (value, value.replace("'", '"')):
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            continue


def _texts(rules: Sequence[FieldRule], value: object) -> Iterator[object]:
    text = _as_text(value)
    if text is None:
        return
    bare = " ".join(text.replace("\x00", "").split())
    allowed = [str(each) for rule in rules if rule.kind is RuleKind.ONE_OF for each in rule.argument]
    if allowed:
        found = near(bare, allowed)
        if found is not None:
            yield found
        return
    yield bare
    yield from (bare.lower(), bare.upper())
    for joined in (re.sub(r"[\s-]+", "_", bare), re.sub(r"\s+", "", bare)):
        yield from (joined, joined.lower(), joined.upper())


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal | UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date | datetime | time) else None


def _bare(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).casefold()
