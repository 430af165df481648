"""Which wider type a column needs: because the source's format says so, or because values of the source say so.

Whether a type is wider is decided by the rules for contract changes, whether a value fits a type by the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from sqlalchemy import ARRAY, Connection, Text, cast, func, select

from groundwork.access.field_rules import field_rules
from groundwork.access.values import Refused, reader_for, text_reader_for
from groundwork.contracts.contract import ColumnContract, TableContract
from groundwork.contracts.derive.types import sql_type
from groundwork.contracts.evolution.types import TypeStep, type_step
from groundwork.infer.types import Family, digits_of, family_of, length_of, roomy_type

_INTEGERS = ("smallint", "integer", "bigint")
_TAKES = {  # families of fields whose values a column of the family may take, as far as they fit
    Family.INTEGER: {Family.INTEGER, Family.NUMBER},
    Family.NUMBER: {Family.INTEGER, Family.NUMBER},
    Family.BOOLEAN: {Family.BOOLEAN, Family.INTEGER},  # as databases without truth values keep them
    Family.TIMESTAMP: {Family.TIMESTAMP, Family.DATE},
    Family.JSON: {Family.JSON, Family.ARRAY},
}


def type_of_all(types: Sequence[str | None]) -> str | None:
    """The widest of the types that the files of a source tell for one field; null where one tells none.

    Raises: ValueError when no one of them holds the others.
    """
    widest = types[0]
    for kind in types[1:]:
        if widest is None or kind is None:
            return None
        together = _joined(widest, kind)
        if together is None:
            raise ValueError(" and ".join(map(str, types)))
        widest = together
    return widest


def wider_by_format(column: str, found: str) -> str | None:
    """The type that a column of type `column` needs for a field of type `found`; null where it may stay.

    >>> wider_by_format("integer", "bigint"), wider_by_format("numeric(10,2)", "numeric(8,4)")
    ('bigint', 'numeric(12,4)')
    >>> wider_by_format("varchar(10)", "text"), wider_by_format("bigint", "integer")
    (None, None)
    """
    if not _says_how_wide(found):
        return None
    together = _joined(column, found)
    return together if together is not None and type_step(column, together) is TypeStep.WIDENED else None


def is_another_kind(column: str, found: str) -> bool:
    """Whether a field of type `found` is something else than what a column of type `column` is for.

    Texts may hold anything, so their values have to tell; a text column takes whatever there is.
    """
    ours, theirs = family_of(column), family_of(found)
    if Family.TEXT in (ours, theirs) or Family.OTHER in (ours, theirs):
        return False
    return theirs not in _TAKES.get(ours, {ours})


def misfits(connection: Connection, values: Sequence[str], kind: str) -> list[str]:
    """Those of the values that the server would not take for a column of type `kind`."""
    value = func.unnest(cast(list(values), ARRAY(Text))).column_valued("value")
    return list(connection.scalars(select(value).where(~func.pg_input_is_valid(value, kind))))


def wider_by_values(
    connection: Connection, table: TableContract, column: ColumnContract, bad: Sequence[str]
) -> str | None:
    """The smallest wider type that takes values of `bad`, which the column does not; null where none takes more.

    Values that the column's rules keep out anyway do not count.
    """
    best, left = None, len(bad)
    for kind in _candidates(column.type, bad):
        still = set(misfits(connection, bad, kind))
        taken = [value for value in bad if value not in still]
        count = len(bad) - len(_allowed(table, replace(column, type=kind), taken))
        if count < left:
            best, left = kind, count
    return best


def _says_how_wide(found: str) -> bool:
    """Formats have one type for all texts, and often one for all numbers: such a word is no news of a wider one."""
    family = family_of(found)
    if family is Family.TEXT:
        return length_of(found) is not None
    return digits_of(found) is not None if found.lower().startswith(("numeric", "decimal")) else True


def _joined(first: str, second: str) -> str | None:
    """The smaller of the types that hold all values of both; null where no such type is known."""
    for wide, narrow in ((first, second), (second, first)):
        if type_step(narrow, wide) in (TypeStep.SAME, TypeStep.WIDENED):
            return wide
    ours, theirs = digits_of(first), digits_of(second)
    if ours is None or theirs is None:
        return None
    whole, scale = max(ours[0] - ours[1], theirs[0] - theirs[1]), max(ours[1], theirs[1])
    return f"numeric({whole + scale},{scale})"


def _candidates(kind: str, bad: Sequence[str]) -> Iterator[str]:
    """Wider types, the smallest first."""
    family, digits, length = family_of(kind), digits_of(kind), length_of(kind)
    if family is Family.INTEGER:
        yield from (each for each in _INTEGERS if type_step(kind, each) is TypeStep.WIDENED)
    elif digits is not None:
        whole = max((_whole_digits(value) for value in bad), default=0)
        if whole > digits[0] - digits[1]:
            yield roomy_type(f"numeric({whole + digits[1]},{digits[1]})")
    elif length is not None and type_step(kind, "text") is TypeStep.WIDENED:
        longest = max(map(len, bad), default=0)
        room = length
        while room < longest:
            room *= 2
        yield re.sub(r"\d+", str(room), kind)


def _whole_digits(value: str) -> int:
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        return 0
    return max(0, number.adjusted() + 1) if number.is_finite() else 0


def _allowed(table: TableContract, column: ColumnContract, values: Sequence[str]) -> list[str]:
    """The values that the column's own rules let pass."""
    kind = sql_type(column)
    read, rules = text_reader_for(kind, with_limits=True), field_rules(table, column, reader_for(kind))
    passed = []
    for value in values:
        try:
            found = read(value)
        except Refused:
            continue
        if all(rule.holds(found) for rule in rules):
            passed.append(value)
    return passed
