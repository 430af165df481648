"""A check as an SQL predicate that is true for each row that breaks it.

The one home of what a check means in SQL: loads keep rows out by it, the SQL engine counts with it, samples are taken
by it. A predicate that
is null counts as not broken, as in a CHECK constraint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    MetaData,
    Table,
    Text,
    and_,
    cast,
    exists,
    func,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)

from groundwork.model.checks import Check
from groundwork.model.errors import FatalError
from groundwork.model.vocabulary import CheckKind

Columns = Sequence[ColumnElement[Any]]


def selectable(schema: str, name: str, columns: Iterable[str]) -> Table:
    """A table for use in queries, with only its names known."""
    return Table(name, MetaData(), *(Column(column) for column in dict.fromkeys(columns)), schema=schema)


def failing(check: Check, table: FromClause) -> ColumnElement[bool]:
    """The predicate that is true for a row of `table` that breaks `check`.

    Raises: FatalError for a kind that is not about rows.
    """
    build = _PREDICATES.get(check.kind)
    if build is None:
        raise FatalError("this kind of check is not about single rows", where=check.id, found=check.kind)
    return build([table.c[name] for name in check.columns], check.arguments, table)


def duplicates(table: FromClause, columns: Columns) -> Any:
    """The keys that occur in more than one row; keys with a null are never equal."""
    present = and_(*(column.is_not(None) for column in columns))
    inner = select(*columns).select_from(table).where(present).group_by(*columns).having(func.count() > 1)
    return inner.correlate(None)


def duplicate_rows(table: FromClause, columns: Columns) -> Any:
    """A scalar query that counts all rows whose key occurs in more than one row."""
    present = and_(*(column.is_not(None) for column in columns))
    sizes = select(func.count().label("size")).select_from(table).where(present).group_by(*columns)
    groups = sizes.having(func.count() > 1).correlate(None).subquery()
    return select(func.coalesce(func.sum(groups.c.size), 0)).scalar_subquery()


def _outside(value: ColumnElement[Any], arguments: Mapping[str, Any]) -> ColumnElement[bool]:
    outside = []
    if "minimum" in arguments:
        outside.append(value < arguments["minimum"])
    if "maximum" in arguments:
        outside.append(value > arguments["maximum"])
    if "exclusive_minimum" in arguments:
        outside.append(value <= arguments["exclusive_minimum"])
    if "exclusive_maximum" in arguments:
        outside.append(value >= arguments["exclusive_maximum"])
    return or_(*outside)


def _is_one_of(column: ColumnElement[Any], values: list[Any]) -> ColumnElement[bool]:
    """Compared as text where the allowed values are texts: uuid and enum columns have no other equality with them."""
    as_text = all(isinstance(value, str) for value in values)
    return (cast(column, Text) if as_text else column).in_(values)


def _orphaned(columns: Columns, arguments: Mapping[str, Any]) -> ColumnElement[bool]:
    names = [str(name) for name in arguments["columns"]]
    target = selectable(str(arguments["schema"]), str(arguments["table"]), names).alias("referenced")
    pairs = [target.c[name] == column for name, column in zip(names, columns, strict=True)]
    present = [column.is_not(None) for column in columns]
    return and_(*present, not_(exists(select(1).select_from(target).where(*pairs))))


def _matched(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    return cast(column, Text).regexp_match(pattern)


_PREDICATES: dict[CheckKind, Callable[[Columns, Mapping[str, Any], FromClause], ColumnElement[bool]]] = {
    CheckKind.NOT_NULL: lambda columns, _, __: columns[0].is_(None),
    CheckKind.UNIQUE: lambda columns, _, table: tuple_(*columns).in_(duplicates(table, columns)),
    CheckKind.IN_SET: lambda columns, arguments, _: not_(_is_one_of(columns[0], list(arguments["values"]))),
    CheckKind.BETWEEN: lambda columns, arguments, _: _outside(columns[0], arguments),
    CheckKind.LENGTH: lambda columns, arguments, _: _outside(func.char_length(columns[0]), arguments),
    CheckKind.MATCHES: lambda columns, arguments, _: not_(_matched(columns[0], str(arguments["postgresql_pattern"]))),
    CheckKind.REFERENCES: lambda columns, arguments, _: _orphaned(columns, arguments),
    CheckKind.EXPRESSION: lambda _, arguments, __: not_(literal_column(f"({arguments['sql']}\n)")),
}
ROW_KINDS = frozenset(_PREDICATES)
