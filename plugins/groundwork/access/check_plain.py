"""One column of a contract, type and rules, as a predicate for DuckDB.

The types are `groundwork.access.check_types`'s; here the column's rules are added, where both databases and Python mean
the same by them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

import duckdb
from sqlalchemy import ColumnElement, and_, cast, func, literal, literal_column
from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeEngine, UserDefinedType

from groundwork.access.check_types import Plain, Rule, Text_, by_type, matches, no
from groundwork.access.field_rules import FieldRule, RuleKind
from groundwork.access.validation import Field


def plain(field: Field) -> Plain | None:
    """How DuckDB sees the field; null when only the row-wise rules can read it."""
    found = by_type(field.kind)
    if found is None:
        return None
    rules = [_rule(rule, field.kind, found) for rule in field.rules]
    if any(rule is None for rule in rules):
        return None
    checked = [rule for rule in rules if rule is not None]

    def holds(value: Text_) -> ColumnElement[bool]:
        return func.coalesce(and_(found.holds(value), *(rule(value) for rule in checked)), no())

    return Plain(kinds=found.kinds, holds=holds, text=found.text, typed=found.typed, duck_type=found.duck_type)


def _rule(rule: FieldRule, kind: TypeEngine[Any], column: Plain) -> Rule | None:
    """The rule over a value's text; null when DuckDB cannot say it."""
    is_text = isinstance(kind, sqltypes.String)
    match rule.kind:
        case RuleKind.CONTAINER:
            opening = "{" if rule.argument == "object" else "["
            return lambda value: func.starts_with(func.ltrim(value), literal(opening))
        case RuleKind.ONE_OF if is_text or isinstance(kind, sqltypes.Uuid):
            words = [str(each) for each in rule.argument]
            return lambda value: column.text(value).in_(words)
        case RuleKind.MIN_LENGTH if is_text:
            return lambda value: func.length(value) >= literal_column(str(int(rule.argument)))
        case RuleKind.MAX_LENGTH if is_text:
            return lambda value: func.length(value) <= literal_column(str(int(rule.argument)))
        case RuleKind.PATTERN if is_text and _is_understood(rule.argument):
            # Only over printable ASCII do both dialects mean the same by \s, \w, [^x] and the end of the text.
            return lambda value: and_(matches(value, "[ -~]*"), func.regexp_matches(value, literal(rule.argument)))
        case _:
            return _bound(rule, column)


@lru_cache(maxsize=1024)
def _is_understood(pattern: str) -> bool:
    """Whether DuckDB's regular expressions know every construct of `pattern`."""
    if not pattern.isascii() or "[:" in pattern or "{," in pattern:  # other meanings there
        return False
    with duckdb.connect() as connection:
        try:
            connection.execute("SELECT regexp_matches('', ?)", [pattern])
        except duckdb.InvalidInputException:
            return False
    return True


def _bound(rule: FieldRule, column: Plain) -> Rule | None:
    compare: dict[RuleKind, Callable[[Text_, Text_], ColumnElement[bool]]] = {
        RuleKind.MINIMUM: lambda value, at: value >= at,
        RuleKind.EXCLUSIVE_MINIMUM: lambda value, at: value > at,
        RuleKind.MAXIMUM: lambda value, at: value <= at,
        RuleKind.EXCLUSIVE_MAXIMUM: lambda value, at: value < at,
    }
    holds = compare.get(rule.kind)
    limit = _limit(rule.argument, column.duck_type)
    if holds is None or limit is None:
        return None
    return lambda value: holds(column.typed(value), limit)


def _limit(argument: object, word: str) -> Text_ | None:
    """A limit that was read, as DuckDB's value of the type `word`; null when it is of another type."""
    kinds: dict[str, type] = {"DATE": date, "TIMESTAMP": datetime, "TIMESTAMPTZ": datetime, "TIME": time}
    if isinstance(argument, int | Decimal) and not isinstance(argument, bool):
        is_number = word == "BIGINT" or word.startswith("DECIMAL")
        return literal_column(format(Decimal(argument), "f")) if is_number else None
    if isinstance(argument, float) and word == "DOUBLE":
        return cast(literal(repr(argument)), _Word("DOUBLE"))
    if isinstance(argument, date | time) and type(argument) is kinds.get(word):
        return cast(literal(argument.isoformat()), _Word(word))
    return None


class _Word(UserDefinedType[Any]):
    """A type of DuckDB by its name; `word` is one of our own."""

    cache_ok = True

    def __init__(self, word: str) -> None:
        self.word = word

    def get_col_spec(self, **_: Any) -> str:
        """The type's name."""
        return self.word
