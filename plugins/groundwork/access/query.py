"""What to list: filters, order, cursor and fields, checked against the table and turned into one SELECT.

Pagination is by keyset: a page begins behind the last row of the page before, so that rows neither repeat nor get
lost when others are inserted meanwhile, and page 1,000 costs what page 1 costs. The order always ends in the primary
key, which makes it total.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, any_, bindparam, cast, func, literal, or_, select, tuple_
from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.access.cursor import Cursor, decode
from groundwork.access.errors import InvalidQueryError
from groundwork.access.order import ORDERED, OrderKey, full_order, refuse_masked
from groundwork.access.relation import Relation
from groundwork.access.values import comparison_type

MAXIMUM_LIMIT = 1000  # rows of one page
DEFAULT_LIMIT = 100
MAXIMUM_VALUES = 200  # values of one `in` filter
_CONFIGURATION = re.compile(r"to_tsvector\('(\w+)'(?:::regconfig)?,")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One condition; rows meet all of a query's filters. `value` is of the column's type (a list of them for `in`)."""

    column: str
    operator: str = "eq"
    value: object


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """A page to read. `order` holds column names, descending with `-` in front; `fields` null means all."""

    filters: tuple[Filter, ...] = ()
    order: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    fields: tuple[str, ...] | None = None


def operators_of(kind: TypeEngine[Any]) -> tuple[str, ...]:
    """Names of the filter operators that a column of this type has."""
    if isinstance(kind, postgresql.TSVECTOR):
        return ("search",)
    if isinstance(kind, sqltypes.JSON):
        return ("contains", "is_null")
    if isinstance(kind, postgresql.ARRAY | sqltypes.LargeBinary):
        return ("is_null",)
    if isinstance(kind, ORDERED) and not isinstance(kind, sqltypes.Boolean):
        return ("eq", "ne", "gt", "gte", "lt", "lte", "in", "is_null")
    return ("eq", "ne", "in", "is_null")


@dataclass(frozen=True, kw_only=True)
class PageShape:
    """What the text of a page's statement depends on: everything but values; equal shapes share one statement.

    Each filter is column, operator, and for `is_null` which side of it.
    """

    filters: tuple[tuple[str, str, bool], ...]
    order: tuple[OrderKey, ...]
    has_cursor: bool


def page_plan(relation: Relation, query: ListQuery, masked: frozenset[str]) -> tuple[PageShape, dict[str, object]]:
    """The shape of a page's statement, and its values by parameter name; one row more than the page shows its end.

    Raises: InvalidQueryError, AccessRefusedError.
    """
    if not 1 <= query.limit <= MAXIMUM_LIMIT:
        raise InvalidQueryError(
            "this page size is not allowed", expected=f"1 to {MAXIMUM_LIMIT}", found=query.limit, next_step="set limit"
        )
    order = full_order(relation, query.order, masked)
    values: dict[str, object] = {"page_rows": query.limit + 1}
    for number, given in enumerate(query.filters):
        _require_operator(relation, given, masked)
        if given.operator != "is_null":
            values[f"filter_{number}"] = _filter_value(relation, given)
    if query.cursor is not None:
        decoded = decode(query.cursor, relation, order)
        values |= {f"cursor_{number}": value for number, value in enumerate(decoded)}
    filters = tuple(
        (each.column, each.operator, each.operator == "is_null" and bool(each.value)) for each in query.filters
    )
    return PageShape(filters=filters, order=order, has_cursor=query.cursor is not None), values


def page_statement(
    relation: Relation, source: Table, shape: PageShape, columns: Sequence[ColumnElement[Any]]
) -> Select[Any]:
    """The SELECT of `columns` for a shape; its values are parameters named as `page_plan` names them."""
    conditions = [_condition(relation, source, number, *each) for number, each in enumerate(shape.filters)]
    if shape.has_cursor:
        conditions.append(_behind(relation, source, shape.order))
    sorting = [source.c[key.column].desc() if key.is_descending else source.c[key.column].asc() for key in shape.order]
    rows = bindparam("page_rows", type_=sqltypes.Integer)
    return select(*columns).select_from(source).where(*conditions).order_by(*sorting).limit(rows)


def next_cursor(order: Sequence[OrderKey], last: Mapping[str, object]) -> str:
    """The cursor that begins behind the row `last`."""
    return Cursor(order=tuple(key.text for key in order), values=tuple(last[key.column] for key in order)).encode()


def _require_operator(relation: Relation, given: Filter, masked: frozenset[str]) -> None:
    relation.require_columns([given.column])
    operators = operators_of(relation.types[given.column])
    if given.operator not in operators:
        raise InvalidQueryError(
            f"the column `{given.column}` has no filter `{given.operator[:50]}`",
            where=relation.contract.qualified_name,
            expected=f"one of {', '.join(operators)}",
            found=given.operator[:50],
            next_step="use another filter",
        )
    refuse_masked(relation, [given.column], masked)


def _filter_value(relation: Relation, given: Filter) -> object:
    if given.operator == "search":
        return str(given.value)
    if given.operator == "contains":
        return json.dumps(relation.from_value(given.column, given.value))
    if given.operator != "in":
        return relation.from_value(given.column, given.value)
    values = given.value if isinstance(given.value, list | tuple) else [given.value]
    if not 1 <= len(values) <= MAXIMUM_VALUES:
        raise InvalidQueryError(
            f"the filter on `{given.column}` has too many or no values",
            expected=f"1 to {MAXIMUM_VALUES} values",
            found=len(values),
            next_step="split the query",
        )
    return [relation.from_value(given.column, value) for value in values]


def _condition(
    relation: Relation, source: Table, number: int, name: str, operator: str, side: bool
) -> ColumnElement[bool]:
    column, kind = source.c[name], comparison_type(relation.types[name])
    parameter = f"filter_{number}"
    if operator == "is_null":
        return column.is_(None) if side else column.is_not(None)
    if operator == "in":
        # An array keeps the statement's text the same for any number of values, so that the server's plan is reused.
        return column == any_(bindparam(parameter, type_=postgresql.ARRAY(kind)))
    if operator == "search":
        words = bindparam(parameter, type_=sqltypes.Text)
        return column.op("@@")(func.websearch_to_tsquery(*_search_language(relation, name), words))
    if operator == "contains":
        return column.op("@>")(cast(bindparam(parameter, type_=sqltypes.Text), kind))
    return _COMPARISONS[operator](column, bindparam(parameter, type_=kind))


def _search_language(relation: Relation, name: str) -> tuple[ColumnElement[Any], ...]:
    """The text search configuration that the column is generated with; none when it does not say."""
    match = _CONFIGURATION.search(relation.contract.column(name).generated or "")
    return (cast(literal(match[1]), postgresql.REGCONFIG),) if match else ()


def _behind(relation: Relation, source: Table, order: Sequence[OrderKey]) -> ColumnElement[bool]:
    bound = [
        bindparam(f"cursor_{number}", type_=comparison_type(relation.types[key.column]))
        for number, key in enumerate(order)
    ]
    columns = [source.c[key.column] for key in order]
    if len({key.is_descending for key in order}) == 1:  # a row comparison, which one index range answers
        left, right = tuple_(*columns), tuple_(*bound)
        return left < right if order[0].is_descending else left > right
    alternatives = []
    for position, key in enumerate(order):
        same = [columns[earlier] == bound[earlier] for earlier in range(position)]
        here = columns[position] < bound[position] if key.is_descending else columns[position] > bound[position]
        alternatives.append(and_(*same, here))
    return or_(*alternatives)


_COMPARISONS: dict[str, Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]]] = {
    "eq": lambda column, value: column == value,
    "ne": lambda column, value: column.is_distinct_from(value),
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}
