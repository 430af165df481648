"""Ways to read a text as a value, each with the test that a text must pass and the value it then has.

A reading is tested twice: on some values in Python, which only rules readings out, and on all values in DuckDB, which
decides. `is_plain` says that PostgreSQL reads the text the same way, so that a load can take it as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

_INTEGER = r"[+-]?(0|[1-9][0-9]*)"
_DECIMAL = r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)"
_FLOAT = r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_COMMA = r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|0|[1-9][0-9]*)(,[0-9]+)?"
_THOUSANDS = r"[+-]?([0-9]{1,3}(,[0-9]{3})+|0|[1-9][0-9]*)(\.[0-9]+)?"
_ZONE = r" ?(Z|z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
_ISO = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(\.{_OCTET}){{3}}(/(3[0-2]|[12]?[0-9]))?"
_GROUP = "[0-9a-fA-F]{1,4}"
_GAPS = "|".join(f"({_GROUP}:){{1,{before}}}(:{_GROUP}){{1,{7 - before}}}" for before in range(1, 7))
_IPV6 = (
    f"(({_GROUP}:){{7}}{_GROUP}|({_GROUP}:){{1,7}}:|{_GAPS}|:((:{_GROUP}){{1,7}}|:)"
    rf"|::([fF]{{4}}:)?{_OCTET}(\.{_OCTET}){{3}})(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?"
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read texts; `test` and `value` are DuckDB expressions over `{v}`, the text without spaces around it.

    `label` is told to people. `note` is what a person has to know where this reading is taken.
    """

    name: str
    label: str
    pattern: str
    value: str
    test: str = ""
    is_plain: bool = True
    note: str | None = None

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, for Python."""
        return re.compile(self.pattern, re.IGNORECASE if self.name == "boolean" else 0)

    def admits(self, value: str) -> bool:
        """Whether a value may be read so, as far as its form tells."""
        return self.compiled.fullmatch(value) is not None

    def holds(self, column: str) -> str:
        """The DuckDB expression that is true where `column` can be read so."""
        options = ", 'i'" if self.name == "boolean" else ""
        form = f"regexp_full_match({column}, '{self.pattern}'{options})"
        return f"({form} AND {self.test.format(v=column)})" if self.test else form


def _date(order: str, label: str, pattern: str, *formats: str, is_plain: bool = False) -> Reading:
    listed = ", ".join(f"'{each}'" for each in formats)
    value = f"CAST(try_strptime({{v}}, [{listed}]) AS DATE)"
    return Reading(
        name=f"date {order}",
        label=f"dates ({label})",
        pattern=pattern,
        value=value,
        test=f"try_strptime({{v}}, [{listed}]) IS NOT NULL",
        is_plain=is_plain,
        note=None if order == "iso" else f"dates are written {label}",
    )


def _moment(order: str, label: str, pattern: str, *formats: str) -> Reading:
    listed = ", ".join(f"'{each}'" for each in formats)
    return Reading(
        name=f"timestamp {order}",
        label=f"timestamps ({label})",
        pattern=pattern,
        value=f"try_strptime({{v}}, [{listed}])",
        test=f"try_strptime({{v}}, [{listed}]) IS NOT NULL",
        is_plain=False,
        note=f"times are written {label} and without a time zone",
    )


def _ordered(order: str, label: str, separator: str, date: str) -> tuple[Reading, Reading]:
    """Dates and timestamps whose day, month and year stand in one order."""
    mark = re.escape(separator)
    day = f"[0-9]{{1,2}}{mark}[0-9]{{1,2}}{mark}[0-9]{{4}}"
    clocks = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
    return (
        _date(order, label, day, date),
        _moment(order, label, f"{day}[ T]{_CLOCK}( ?[AaPp][Mm])?", *(f"{date} {clock}" for clock in clocks)),
    )


BOOLEAN = Reading(
    name="boolean",
    label="truth values",
    pattern="true|false|t|f|yes|no|y|n|on|off",
    value="lower({v}) IN ('true', 't', 'yes', 'y', 'on', '1')",
)
BIT = Reading(name="bit", label="truth values (0 and 1)", pattern="[01]", value="{v} = '1'")
INTEGER = Reading(name="integer", label="whole numbers", pattern=_INTEGER, value="{v}")
DECIMAL = Reading(name="decimal", label="decimal numbers", pattern=_DECIMAL, value="{v}")
FLOAT = Reading(
    name="float",
    label="numbers with exponents",
    pattern=_FLOAT,
    value="CAST({v} AS DOUBLE)",
    test="isfinite(try_cast({v} AS DOUBLE))",
)
COMMA = Reading(
    name="comma",
    label="numbers with a decimal comma",
    pattern=_COMMA,
    value="replace(replace({v}, '.', ''), ',', '.')",
    is_plain=False,
    note="numbers are written with a decimal comma",
)
THOUSANDS = Reading(
    name="thousands",
    label="numbers with commas between thousands",
    pattern=_THOUSANDS,
    value="replace({v}, ',', '')",
    is_plain=False,
    note="numbers are written with commas between thousands",
)
UUID = Reading(
    name="uuid",
    label="UUIDs",
    pattern="[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    value="CAST({v} AS UUID)",
)
DATE = _date("iso", "year-month-day", _ISO, "%Y-%m-%d", is_plain=True)
COMPACT_DATE = _date("compact", "yyyymmdd", "(1[6-9]|2[01])[0-9]{6}", "%Y%m%d", is_plain=True)
TIMESTAMP = Reading(
    name="timestamp iso",
    label="timestamps without a time zone",
    pattern=f"{_ISO}([ T]{_CLOCK})?",
    value="CAST({v} AS TIMESTAMP)",
    test="try_cast({v} AS TIMESTAMP) IS NOT NULL",
    note="times have no time zone",
)
TIMESTAMPTZ = Reading(
    name="timestamptz",
    label="timestamps with a time zone",
    pattern=f"{_ISO}[ T]{_CLOCK}{_ZONE}",
    value="CAST(regexp_replace({v}, ' ([+-])', '\\1') AS TIMESTAMPTZ)",
    test="try_cast(regexp_replace({v}, ' ([+-])', '\\1') AS TIMESTAMPTZ) IS NOT NULL",
)
TIME = Reading(
    name="time",
    label="times of the day",
    pattern=_CLOCK,
    value="CAST({v} AS TIME)",
    test="try_cast({v} AS TIME) IS NOT NULL",
)
INET = Reading(
    name="inet",
    label="network addresses",
    pattern=f"{_IPV4}|{_IPV6}",
    value="{v}",
)
JSON = Reading(
    name="json",
    label="JSON objects or arrays",
    pattern=r"(?s)[\[{].*[\]}]",
    value="{v}",
    test="json_valid({v})",
)
DAY_FIRST = _ordered("day first", "day/month/year", "/", "%d/%m/%Y")
MONTH_FIRST = _ordered("month first", "month/day/year", "/", "%m/%d/%Y")
DAY_FIRST_DASH = _ordered("day first", "day-month-year", "-", "%d-%m-%Y")
MONTH_FIRST_DASH = _ordered("month first", "month-day-year", "-", "%m-%d-%Y")
DOTTED = _ordered("dotted", "day.month.year", ".", "%d.%m.%Y")
SLASHED_DATE = _date("slashed", "year/month/day", "[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}", "%Y/%m/%d", is_plain=True)
NAMED_DATE = _date(
    "named",
    "with the month's name",
    "[0-9]{1,2}[ -][A-Za-z]{3}[ -][0-9]{4}|[A-Za-z]{3} [0-9]{1,2}, [0-9]{4}",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    is_plain=True,
)
AMBIGUOUS = tuple(
    (day, month)
    for days, months in ((DAY_FIRST, MONTH_FIRST), (DAY_FIRST_DASH, MONTH_FIRST_DASH))
    for day, month in zip(days, months, strict=True)
)
OF_STRINGS: Sequence[Reading] = (UUID, DATE, TIMESTAMP, TIMESTAMPTZ, INET)
"""Readings of texts in formats that have numbers and truth values of their own: `"5"` is a text on purpose there."""

OF_TEXT: Sequence[Reading] = (
    BIT,
    COMPACT_DATE,
    BOOLEAN,
    INTEGER,
    DECIMAL,
    FLOAT,
    UUID,
    DATE,
    SLASHED_DATE,
    NAMED_DATE,
    *(reading for pair in (DAY_FIRST, MONTH_FIRST, DAY_FIRST_DASH, MONTH_FIRST_DASH, DOTTED) for reading in pair),
    TIMESTAMP,
    TIMESTAMPTZ,
    TIME,
    INET,
    JSON,
    THOUSANDS,
    COMMA,
)
"""Readings of fields that are nothing but text, the one that says most first."""
