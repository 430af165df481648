"""Dates and moments as people and spreadsheets write them, read again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal

_NUMERIC = re.compile(r"(?P<first>\d{1,4})[-/. ](?P<second>\d{1,2})[-/. ](?P<third>\d{1,4})", re.ASCII)
_COMPACT = re.compile(r"(?P<year>[12]\d{3})(?P<month>\d{2})(?P<day>\d{2})", re.ASCII)
_NAMED = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s.-]+)?(?P<month>[a-z]{3,9})\.?[\s,-]+(?P<rest>.+)", re.ASCII
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
         "sep sept september", "oct october", "nov november", "dec december"), 1)
    for name in names.split()
}  # fmt: skip
_CLOCK = re.compile(r"[T ]+(?P<time>\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?")
_SECONDS = (100_000_000, 10_000_000_000)  # 1973 to 2286: fewer would be a day's number, more are milliseconds
_MILLISECONDS = (100_000_000_000, 10_000_000_000_000)


def dates(value: object) -> Iterator[date]:
    """The days that `value` can mean; two where day and month can be told apart by nobody.

    >>> [str(day) for day in dates("31/12/2024")]
    ['2024-12-31']
    >>> [str(day) for day in dates("01/02/2024")]
    ['2024-02-01', '2024-01-02']
    """
    if isinstance(value, datetime):
        yield value.date()
        return
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return
    text = value.strip()
    clock = _CLOCK.search(text)
    yield from _days(text[: clock.start()].strip() if clock else text)


def moments(value: object, *, with_zone: bool) -> Iterator[datetime]:
    """The moments that `value` can mean; without a zone of its own it is taken to be in UTC."""
    zone = UTC if with_zone else None
    if isinstance(value, datetime):
        yield value.replace(tzinfo=zone) if value.tzinfo is None or zone is None else value
    elif isinstance(value, date):
        yield datetime(value.year, value.month, value.day, tzinfo=zone)
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield from _counted(float(value), with_zone=with_zone)
    elif isinstance(value, str):
        yield from _written(value.strip(), with_zone=with_zone)


def _written(text: str, *, with_zone: bool) -> Iterator[datetime]:
    if re.fullmatch(r"\d{9,13}", text):
        yield from _counted(float(text), with_zone=with_zone)
        return
    clock = _CLOCK.search(text)
    given = (clock["time"] if clock else "00:00").zfill(5)
    hours, _, rest = given.partition(":")
    zone = (clock["zone"] if clock else None) or ("Z" if with_zone else "")
    suffix = {"UTC": "Z", "GMT": "Z"}.get(zone, zone) if with_zone else ""
    for day in _days(text[: clock.start()].strip() if clock else text):
        try:
            yield datetime.fromisoformat(f"{day.isoformat()}T{hours.zfill(2)}:{rest}{suffix}")
        except ValueError:
            continue


def _counted(number: float, *, with_zone: bool) -> Iterator[datetime]:
    """Seconds or milliseconds since 1970, as logs and scripts write them."""
    if _MILLISECONDS[0] <= number < _MILLISECONDS[1]:
        number /= 1000
    if _SECONDS[0] <= number < _SECONDS[1]:
        found = datetime.fromtimestamp(number, UTC)
        yield found if with_zone else found.replace(tzinfo=None)


def _days(text: str) -> Iterator[date]:
    compact = _COMPACT.fullmatch(text)
    if compact:
        yield from _day(compact["year"], compact["month"], compact["day"])
    numeric = _NUMERIC.fullmatch(text)
    if numeric:
        first, second, third = numeric["first"], numeric["second"], numeric["third"]
        if len(first) == 4:
            yield from _day(first, second, third)
        elif len(third) == 4:
            yield from _day(third, second, first)
            if first != second:
                yield from _day(third, first, second)
    named = _NAMED.fullmatch(text.lower())
    if named and named["month"] in _MONTHS:
        yield from _named(named["day"], _MONTHS[named["month"]], named["rest"])


def _named(day: str | None, month: int, rest: str) -> Iterator[date]:
    found = re.fullmatch(r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+)?(?P<year>\d{4})", rest.strip())
    number = day or (found["day"] if found else None)
    if found and number:
        yield from _day(found["year"], str(month), number)


def _day(year: str, month: str, day: str) -> Iterator[date]:
    try:
        yield date(int(year), int(month), int(day))
    except ValueError:
        return
