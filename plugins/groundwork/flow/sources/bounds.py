"""Bounds on a watermark's column as each database compares them, never narrower than asked for.

A load leaves out what lies outside of its window by itself, and knows by its key what it has already; a row that is not
handed out is lost. Where a database stores times as text of any form, the bounds are widened by whole days.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, cast, func, literal, or_
from sqlalchemy.types import Date, DateTime, NullType, Numeric, Text


def at_least(column: ColumnElement[object], bound: str, dialect: str) -> ColumnElement[bool]:
    """Rows that may be at or above `bound`; nulls, which no bound can place, are among them."""
    return or_(column.is_(None), _compared(column, bound, dialect, is_lower=True))


def below(column: ColumnElement[object], bound: str, dialect: str) -> ColumnElement[bool]:
    """Rows that may be below `bound`; nulls are among them."""
    return or_(column.is_(None), _compared(column, bound, dialect, is_lower=False))


def at_most(column: ColumnElement[object], bound: str, dialect: str) -> ColumnElement[bool]:
    """Rows at or below `bound`, which the database itself has told; nulls are among them.

    Not for SQLite, whose times are texts of any form.
    """
    return or_(column.is_(None), column <= _bound(column, bound, _moment(bound), dialect))


def _compared(column: ColumnElement[object], bound: str, dialect: str, *, is_lower: bool) -> ColumnElement[bool]:
    moment = _moment(bound)
    if dialect == "sqlite":
        return _in_sqlite(column, bound, moment, is_lower=is_lower)
    value = _bound(column, bound, moment, dialect)
    return column >= value if is_lower else column < value


def _bound(column: ColumnElement[object], bound: str, moment: datetime | None, dialect: str) -> ColumnElement[object]:
    if dialect == "mysql" and moment is not None:
        return literal(moment.replace(tzinfo=None).isoformat(" "))
    if isinstance(column.type, NullType):
        return literal(moment) if moment is not None else _number(bound)
    return cast(literal(bound), column.type)


def _in_sqlite(
    column: ColumnElement[object], bound: str, moment: datetime | None, *, is_lower: bool
) -> ColumnElement[bool]:
    if moment is None:
        value = _number(bound)
        return column >= value if is_lower else column < value
    day = moment.date() + timedelta(days=-1 if is_lower else 2)
    text = func.typeof(column) != "text"
    as_text = cast(column, Text) if isinstance(column.type, Date | DateTime | Numeric) else column
    return or_(text, as_text >= literal(day.isoformat()) if is_lower else as_text < literal(day.isoformat()))


def _number(bound: str) -> ColumnElement[object]:
    try:
        return literal(int(bound))
    except ValueError:
        pass
    try:
        return literal(float(bound))
    except ValueError:
        return literal(bound)


def _moment(bound: str) -> datetime | None:
    """The bound as a time in UTC, when it is one."""
    try:
        found = datetime.fromisoformat(bound.strip())
    except ValueError:
        return None
    if bound.strip().isdigit():
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
