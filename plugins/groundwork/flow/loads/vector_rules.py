"""What makes a text surely fit its column, in the words of DuckDB.

One-sided on purpose: a row that passes is right by the server's rules too, and a row that does not is only *doubtful*:
the server judges it. So a rule may be stricter than the server's (a number must be spelled in its shortest form), and
what has no rule here is simply left to the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind

_EXACT_DIGITS = 15  # a double holds any decimal of so many digits without another one of that length being equal
_CLOCK_WORDS = "now|today|tomorrow|yesterday|allballs"
_TEXTS = ("text", "character varying", "varchar")
_SAFE_PATTERN = re.compile(r"(?:[^\\(\[]|\\[.\-+*?()\[\]{}|^$/d]|\((?!\?)|\[\^?[^\\\[\]]+\])*")


@dataclass(frozen=True, kw_only=True)
class Typed:
    """A column as DuckDB sees it: `value` of its type, null when the text is none.

    `misfit` is true for a text that may be no value of the type; `{value}` in it stands for the value's name.
    `is_comparable` tells whether ranges mean the same here as on the server, `kind` DuckDB's name of the value's type.
    """

    value: str
    misfit: str | None
    is_comparable: bool
    kind: str = "VARCHAR"


@dataclass(kw_only=True)
class Conditions:
    """Conditions with their parameters, in order."""

    texts: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def add(self, text: str, *parameters: Any) -> None:
        """One more condition that is true for a doubtful row."""
        self.texts.append(text)
        self.parameters.extend(parameters)


def typed(text: str, type_name: str) -> Typed:
    """How the column `text` (a safe name) of the PostgreSQL type `type_name` is read.

    >>> typed("c0", "integer").value
    'TRY_CAST(c0 AS INTEGER)'
    """
    found = split_type(type_name)
    make = _TYPES.get(found[0]) if found is not None else None
    if found is None or make is None:
        return _left_to_the_server(text, type_name.lower())
    return make(text, found[1])


def split_type(type_name: str) -> tuple[str, list[int]] | None:
    """A type's name and its numbers; null for what is written otherwise, such as an array.

    >>> split_type("numeric(15, 2)")
    ('numeric', [15, 2])
    >>> split_type("timestamp(3) without time zone")
    ('timestamp', [3])
    """
    pattern = r"([a-z ]+?)\s*(?:\(([\d, ]+)\))?( with time zone| without time zone)?"
    found = re.fullmatch(pattern, type_name.lower())
    if found is None:
        return None
    name = found[1] + (found[3] or "").removesuffix(" without time zone")
    return name, [int(number) for number in (found[2] or "").split(",") if number]


def is_left_to_the_server(type_name: str) -> bool:
    """Whether a value of this type needs no look before COPY reads it."""
    return typed("text", type_name).misfit is None


def _left_to_the_server(text: str, type_name: str) -> Typed:
    """A type that has no rule here; where it is made of times, their words for the present are no data."""
    is_clock = type_name.startswith(("date", "time", "ts"))
    misfit = f"regexp_matches(lower({text}), '{_CLOCK_WORDS}')" if is_clock else None
    return Typed(value=text, misfit=misfit, is_comparable=False)


def _integer(kind: str) -> Callable[[str, Sequence[int]], Typed]:
    def make(text: str, _numbers: Sequence[int]) -> Typed:
        misfit = f"{text} IS NOT NULL AND ({{value}} IS NULL OR contains({text}, '.'))"
        return Typed(value=f"TRY_CAST({text} AS {kind})", misfit=misfit, is_comparable=True, kind="BIGINT")

    return make


def _numeric(text: str, numbers: Sequence[int]) -> Typed:
    if len(numbers) != 2 or numbers[0] > 38:
        return _double(text, numbers)
    value = f"TRY_CAST({text} AS DECIMAL({numbers[0]}, {numbers[1]}))"
    return Typed(value=value, misfit=_is_no_value(text), is_comparable=True, kind="DOUBLE")


def _double(text: str, _numbers: Sequence[int]) -> Typed:
    misfit = f"{_is_no_value(text)} OR NOT isfinite({{value}}) OR length({text}) > {_EXACT_DIGITS}"
    return Typed(value=f"TRY_CAST({text} AS DOUBLE)", misfit=misfit, is_comparable=True, kind="DOUBLE")


def _moment(kind: str) -> Callable[[str, Sequence[int]], Typed]:
    def make(text: str, _numbers: Sequence[int]) -> Typed:
        misfit = f"{_is_no_value(text)} OR NOT isfinite({{value}})"
        is_comparable = kind != "TIMESTAMPTZ"
        return Typed(value=f"TRY_CAST({text} AS {kind})", misfit=misfit, is_comparable=is_comparable, kind=kind)

    return make


def _castable(kind: str) -> Callable[[str, Sequence[int]], Typed]:
    def make(text: str, _numbers: Sequence[int]) -> Typed:
        misfit = _is_no_value(text)
        return Typed(value=f"TRY_CAST({text} AS {kind})", misfit=misfit, is_comparable=False, kind=kind)

    return make


def _is_no_value(text: str) -> str:
    return f"{text} IS NOT NULL AND {{value}} IS NULL"


def _text(text: str, numbers: Sequence[int]) -> Typed:
    misfit = f"length({text}) > {numbers[0]}" if numbers else None
    return Typed(value=text, misfit=misfit, is_comparable=False)


_TYPES: dict[str, Callable[[str, Sequence[int]], Typed]] = {
    "smallint": _integer("SMALLINT"),
    "integer": _integer("INTEGER"),
    "bigint": _integer("BIGINT"),
    "numeric": _numeric,
    "real": _double,
    "double precision": _double,
    "date": _moment("DATE"),
    "timestamp": _moment("TIMESTAMP"),
    "timestamp with time zone": _moment("TIMESTAMPTZ"),
    "time": _castable("TIME"),
    "time with time zone": _castable("TIMETZ"),
    "boolean": _castable("BOOLEAN"),
    "uuid": _castable("UUID"),
    **dict.fromkeys(_TEXTS, _text),
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One column in a query: the safe names of its text and of its value, and its PostgreSQL type."""

    text: str
    value: str
    type_name: str
    typed: Typed

    @classmethod
    def of(cls, number: int, type_name: str) -> Reading:
        """The reading of the column that stands at `number`."""
        text = f"c{number}"
        found = typed(text, type_name)
        value = text if found.value == text else f"v{number}"
        return cls(text=text, value=value, type_name=type_name, typed=found)

    @property
    def misfit(self) -> str | None:
        """True for a text that may be no value of the type; null when every text is one."""
        return self.typed.misfit.format(value=self.value) if self.typed.misfit else None


def condition(check: Check, columns: Mapping[str, Reading], into: Conditions) -> bool:
    """Add the condition under which a row is doubtful by `check`; False when it has to be left to the server."""
    make = _CONDITIONS.get(check.kind)
    if make is None or len(check.columns) != 1 or check.columns[0] not in columns:
        return False
    return make(columns[check.columns[0]], check.arguments, into)


def _not_null(column: Reading, _arguments: Mapping[str, Any], into: Conditions) -> bool:
    into.add(f"{column.text} IS NULL")
    return True


def _in_set(column: Reading, arguments: Mapping[str, Any], into: Conditions) -> bool:
    values = list(arguments["values"])
    if (
        not values
        or not all(isinstance(value, str) for value in values)
        or column.type_name.lower().startswith("char(")
    ):
        return False
    into.add(f"{column.text} NOT IN ({', '.join('?' * len(values))})", *values)
    return True


def _between(column: Reading, arguments: Mapping[str, Any], into: Conditions) -> bool:
    bounds = {name: _bound(arguments[name], column.type_name) for name in _COMPARISONS if name in arguments}
    if not column.typed.is_comparable or None in bounds.values():
        return False
    for name, bound in bounds.items():
        into.add(f"{column.value} {_COMPARISONS[name]} {bound}")
    return True


def _bound(value: object, type_name: str) -> str | None:
    """A bound as a literal of the column's kind; null when it is of another."""
    if type_name.lower().startswith(("date", "timestamp")):
        if isinstance(value, datetime):
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'" if value.tzinfo is None else None
        return f"DATE '{value.isoformat()}'" if isinstance(value, date) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return format(Decimal(str(value)), "f")


def _length(column: Reading, arguments: Mapping[str, Any], into: Conditions) -> bool:
    if not is_text(column.type_name):
        return False
    for name, comparison in _COMPARISONS.items():
        if name in arguments:
            into.add(f"length({column.text}) {comparison} ?", arguments[name])
    return True


def _matches(column: Reading, arguments: Mapping[str, Any], into: Conditions) -> bool:
    pattern = str(arguments["postgresql_pattern"])
    if not is_text(column.type_name) or not _SAFE_PATTERN.fullmatch(pattern):
        return False
    into.add(f"NOT regexp_matches({column.text}, ?, 's')", pattern)
    return True


def is_text(type_name: str) -> bool:
    """Whether the type is text of any length, with or without a limit."""
    lowered = type_name.lower()
    return lowered.startswith(_TEXTS) and not lowered.endswith("[]")


_COMPARISONS = {"minimum": "<", "maximum": ">", "exclusive_minimum": "<=", "exclusive_maximum": ">="}
_Maker = Callable[[Reading, Mapping[str, Any], Conditions], bool]
_CONDITIONS: dict[CheckKind, _Maker] = {
    CheckKind.NOT_NULL: _not_null,
    CheckKind.IN_SET: _in_set,
    CheckKind.BETWEEN: _between,
    CheckKind.LENGTH: _length,
    CheckKind.MATCHES: _matches,
}
