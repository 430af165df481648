"""What a contract asks of one column's values by themselves, as rules that can be applied and read.

Each rule holds its kind and limit beside the function, so that other engines can say the same
(`groundwork.access.check_plain` says it in SQL) and corrections can aim at it (`groundwork.access.suggestion`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from groundwork.access.values import Reader, Refused, json_value
from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.column_checks import column_checks
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind


class RuleKind(StrEnum):
    """What a rule limits."""

    CONTAINER = "container"
    ONE_OF = "one_of"
    MIN_LENGTH = "min_length"
    MAX_LENGTH = "max_length"
    PATTERN = "pattern"
    MINIMUM = "minimum"
    EXCLUSIVE_MINIMUM = "exclusive_minimum"
    MAXIMUM = "maximum"
    EXCLUSIVE_MAXIMUM = "exclusive_maximum"
    MULTIPLE_OF = "multiple_of"
    MIN_ITEMS = "min_items"
    MAX_ITEMS = "max_items"


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """One rule; `argument` is its limit as the column's reader gives it (a tuple for `one_of`, text for `pattern`)."""

    kind: RuleKind
    argument: Any
    expected: str
    holds: Callable[[Any], bool]


_CONTAINERS = {"object": (dict, "a JSON object"), "array": (list, "a JSON list")}
_BOUNDS: tuple[tuple[str, RuleKind, Callable[[Any, Any], bool], str], ...] = (
    ("minimum", RuleKind.MINIMUM, lambda value, limit: value >= limit, "at least"),
    ("exclusiveMinimum", RuleKind.EXCLUSIVE_MINIMUM, lambda value, limit: value > limit, "more than"),
    ("maximum", RuleKind.MAXIMUM, lambda value, limit: value <= limit, "at most"),
    ("exclusiveMaximum", RuleKind.EXCLUSIVE_MAXIMUM, lambda value, limit: value < limit, "less than"),
)
_DECLARED_LENGTH = re.compile(r"\s*(?:varchar|character varying|char|character)\s*\(\s*(\d+)\s*\)\s*")


def field_rules(table: TableContract, column: ColumnContract, read: Reader) -> tuple[FieldRule, ...]:
    """Every rule of one column, in the order in which they are told; `read` is the reader of its type.

    Raises: Refused when a limit is not a value of the column's type.
    """
    return tuple(_rules(table, column, read))


def rules_of_checks(checks: Iterable[Check], read: Reader) -> Iterator[FieldRule]:
    """The rules of checks on one column that say what a rule can: allowed values and patterns."""
    for check in checks:
        if check.kind is CheckKind.IN_SET:
            values = check.arguments["values"]
            yield _one_of(values if isinstance(values, tuple) else (), read)
        elif check.kind is CheckKind.MATCHES:
            yield _pattern(str(check.arguments["pattern"]))


def compiled(pattern: str) -> re.Pattern[str]:
    r"""The contract's pattern; `$` at its end means the end of the text, as in PostgreSQL and JSON Schema.

    >>> bool(compiled("^a$").search("a\n"))
    False
    """
    ends_at_end = pattern.endswith("$") and not pattern.endswith("\\$")
    return re.compile(pattern[:-1] + r"\Z" if ends_at_end else pattern)


def _rules(table: TableContract, column: ColumnContract, read: Reader) -> Iterator[FieldRule]:
    if read is json_value and column.logical_type in _CONTAINERS:
        yield _container(column.logical_type)
    if column.enum_type is not None and not column.type.rstrip().endswith("[]"):
        yield _one_of(column.enum_type.values, read)
    if column.allowed_values:
        yield _one_of(column.allowed_values, read)
    yield from _lengths(column)
    for pattern in _patterns(table, column):
        yield _pattern(pattern)
    for name, kind, holds, words in _BOUNDS:
        if column.options.get(name) is not None:
            limit = read(column.options[name])
            yield FieldRule(kind=kind, argument=limit, expected=f"{words} {limit}", holds=_bound(holds, limit))
    yield from _steps_and_items(column)


def _container(logical_type: str | None) -> FieldRule:
    container, words = _CONTAINERS[str(logical_type)]
    return FieldRule(
        kind=RuleKind.CONTAINER,
        argument=logical_type,
        expected=words,
        holds=lambda value: isinstance(value, container),
    )


def _one_of(values: Sequence[Any], read: Reader) -> FieldRule:
    allowed = tuple(_read_or_same(value, read) for value in values)
    return FieldRule(
        kind=RuleKind.ONE_OF,
        argument=allowed,
        expected=f"one of {', '.join(map(str, values))}",
        holds=lambda value: value in allowed,
    )


def _read_or_same(value: object, read: Reader) -> object:
    try:
        return read(value)
    except Refused:
        return value


def _lengths(column: ColumnContract) -> Iterator[FieldRule]:
    shortest = column.options.get("minLength")
    declared = _DECLARED_LENGTH.fullmatch(column.type.lower())
    limits = (column.options.get("maxLength"), int(declared[1]) if declared else None)
    longest = min((limit for limit in limits if limit is not None), default=None)
    if shortest is not None:
        yield FieldRule(
            kind=RuleKind.MIN_LENGTH,
            argument=shortest,
            expected=f"at least {shortest} letter(s)",
            holds=lambda value: not isinstance(value, str) or len(value) >= shortest,
        )
    if longest is not None:
        yield FieldRule(
            kind=RuleKind.MAX_LENGTH,
            argument=longest,
            expected=f"at most {longest} letter(s)",
            holds=lambda value: not isinstance(value, str) or len(value) <= longest,
        )


def _patterns(table: TableContract, column: ColumnContract) -> list[str]:
    """The column's own pattern and that of its format, each once."""
    found = [str(column.options["pattern"])] if column.options.get("pattern") else []
    for check in column_checks(table, column):
        if isinstance(check, Check) and check.kind is CheckKind.MATCHES:
            found.append(str(check.arguments["pattern"]))
    return list(dict.fromkeys(found))


def _pattern(text: str) -> FieldRule:
    pattern = compiled(text)
    return FieldRule(
        kind=RuleKind.PATTERN,
        argument=text,
        expected=f"text that matches {text}",
        holds=lambda value: pattern.search(value if isinstance(value, str) else str(value)) is not None,
    )


def _bound(holds: Callable[[Any, Any], bool], limit: object) -> Callable[[Any], bool]:
    return lambda value: holds(value, limit)


def _steps_and_items(column: ColumnContract) -> Iterator[FieldRule]:
    step = column.options.get("multipleOf")
    if step is not None:
        exact = Decimal(str(step))
        yield FieldRule(
            kind=RuleKind.MULTIPLE_OF,
            argument=exact,
            expected=f"a multiple of {step}",
            holds=lambda value: Decimal(str(value)) % exact == 0,
        )
    fewest, most = column.options.get("minItems"), column.options.get("maxItems")
    if fewest is not None:
        yield FieldRule(
            kind=RuleKind.MIN_ITEMS,
            argument=fewest,
            expected=f"at least {fewest} item(s)",
            holds=lambda value: not isinstance(value, list) or len(value) >= fewest,
        )
    if most is not None:
        yield FieldRule(
            kind=RuleKind.MAX_ITEMS,
            argument=most,
            expected=f"at most {most} item(s)",
            holds=lambda value: not isinstance(value, list) or len(value) <= most,
        )
