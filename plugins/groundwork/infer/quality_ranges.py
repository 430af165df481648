"""Ranges that all values keep, with a margin, and how old the newest row may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from groundwork.governance.classification.names import words
from groundwork.infer.profile import ColumnProfile
from groundwork.infer.quality import OptionRule, option_rule
from groundwork.infer.quality_words import event_rank, says_identifier
from groundwork.infer.types import Family, digits_of

_FEWEST_ROWS = 30  # values from which a range says anything
_MARGIN = 10  # a value may be so many times the largest seen
_INTEGER_LIMIT = {"smallint": 2**15, "integer": 2**31, "int": 2**31, "int4": 2**31, "bigint": 2**63, "int8": 2**63}
_KNOWN: tuple[tuple[frozenset[str], int, int], ...] = (
    (frozenset({"latitude", "lat"}), -90, 90),
    (frozenset({"longitude", "lon", "lng"}), -180, 180),
    (frozenset({"percent", "percentage", "pct"}), 0, 100),
    (frozenset({"probability", "confidence"}), 0, 1),
    (frozenset({"year"}), 1900, 2200),
    (frozenset({"hour"}), 0, 23),
    (frozenset({"minute"}), 0, 59),
    (frozenset({"weekday"}), 0, 7),
)
_DAY_SECONDS = 86_400
_FRESHNESS_DAYS = (1, 2, 7, 14, 31, 92, 366)


def range_rules(profile: ColumnProfile, family: Family) -> Iterator[OptionRule]:
    """`minimum` and `maximum` of numbers and times; none where there are few values or a range means nothing."""
    if profile.minimum is None or profile.maximum is None or profile.rows - profile.nulls < _FEWEST_ROWS:
        return
    if family in (Family.INTEGER, Family.NUMBER):
        try:
            low, high = Decimal(profile.minimum), Decimal(profile.maximum)
        except InvalidOperation:
            return
        if low.is_finite() and high.is_finite():
            yield from _numbers(profile, low, high)
    elif family in (Family.DATE, Family.TIMESTAMP):
        yield from _times(profile, family)


def freshness_of(profile: ColumnProfile, family: Family) -> tuple[tuple[float, str], str] | None:
    """How old the newest value may be, as (value, unit) and the evidence; null where the column is no event time.

    Ten times the average distance of the values seen, rounded up: a feed that comes daily may be late for days.
    """
    if family not in (Family.DATE, Family.TIMESTAMP) or event_rank(profile.name) is None or profile.distinct < 10:
        return None
    low, high = _moment(profile.minimum), _moment(profile.maximum)
    if low is None or high is None or high <= low:
        return None
    seconds = (high - low).total_seconds() / (profile.distinct - 1)
    days = next((days for days in _FRESHNESS_DAYS if seconds * _MARGIN <= days * _DAY_SECONDS), None)
    if days is None:
        return None
    evidence = f"{profile.distinct:,} different times, on average {_length(seconds)} apart"
    return (float(days), "d"), evidence


def _numbers(profile: ColumnProfile, low: Decimal, high: Decimal) -> Iterator[OptionRule]:
    evidence = f"from {low:f} to {high:f} in {profile.rows - profile.nulls:,} values"
    found = frozenset(words(profile.name))
    for names, least, most in _KNOWN:
        if found & names and least <= low and high <= most and (most != 1 or high <= 1):
            yield option_rule("minimum", least, f"{evidence}; the name says what it is", 0.8)
            yield option_rule("maximum", most, f"{evidence}; the name says what it is", 0.8)
            return
    if low >= 0:
        yield option_rule("minimum", 0, f"{evidence}; none is negative", 0.8)
    if says_identifier(profile.name) or profile.is_unique:
        return  # numbers of rows grow for ever
    if low < 0:
        yield option_rule("minimum", -_next_power(-low * _MARGIN), f"{evidence}; ten times as far for room", 0.5)
    top = _next_power(high * _MARGIN) if high > 0 else 0
    if top <= _limit(profile.type):
        yield option_rule("maximum", top, f"{evidence}; ten times as far for room", 0.5)


def _next_power(value: Decimal) -> int:
    """The next 1, 2 or 5 times a power of ten that is not smaller; 1 for anything below.

    >>> _next_power(Decimal("1234.5"))
    2000
    """
    power = 1
    while True:
        for factor in (1, 2, 5):
            if value <= power * factor:
                return power * factor
        power *= 10


def _limit(physical_type: str) -> int:
    """The largest bound that says more than the type does."""
    digits = digits_of(physical_type)
    if digits is not None:
        return int(10 ** max(0, digits[0] - digits[1])) - 1
    return _INTEGER_LIMIT.get(physical_type.lower(), 10**300) - 1


def _times(profile: ColumnProfile, family: Family) -> Iterator[OptionRule]:
    low, high = _moment(profile.minimum), _moment(profile.maximum)
    if low is None or high is None:
        return
    year = low.year - max(1, high.year - low.year)
    if year < 1:
        return
    zone = "Z" if "tz" in profile.type or "with time zone" in profile.type else ""
    first = f"{year:04}-01-01" + (f"T00:00:00{zone}" if family is Family.TIMESTAMP else "")
    evidence = f"from {low.date()} to {high.date()} in {profile.rows - profile.nulls:,} values; as many years of room"
    yield option_rule("minimum", first, evidence, 0.5)


def _moment(value: str | None) -> datetime | None:
    """A date or time as PostgreSQL, DuckDB or ISO write it; null for what Python has no word for (BC, infinity)."""
    readers: tuple[Callable[[str], date], ...] = (datetime.fromisoformat, date.fromisoformat)
    for read in readers:
        try:
            found = read((value or "").strip())
        except ValueError:
            continue
        if isinstance(found, datetime):
            return found.replace(tzinfo=None)
        return datetime.combine(found, datetime.min.time())
    return None


def _length(seconds: float) -> str:
    for unit, size in (("days", _DAY_SECONDS), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"
