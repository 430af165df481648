"""The calls of the data API that the contracts' access patterns amount to.

A pattern is one SELECT; what the API can say of it becomes parameters: comparisons joined by AND, order, limit,
columns. A pattern that needs more is called as a plain list of its table, and told apart in the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from groundwork.access.api.requests import PREFIX
from groundwork.contracts.contract import AccessPattern, ColumnContract, Domain, TableContract
from groundwork.model.vocabulary import Classification

if TYPE_CHECKING:
    from sqlglot.expressions import Expr


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One GET; `is_exact` when it asks for all that the pattern does."""

    name: str
    table: str
    path: str
    is_exact: bool


def pattern_calls(domain: Domain, clearance: Classification) -> list[ApiCall]:
    """One call per access pattern that a role of this clearance can make, in order of the contracts."""
    return [_call(domain, table, pattern, clearance) for table in domain.tables for pattern in table.access_patterns]


def _call(domain: Domain, table: TableContract, pattern: AccessPattern, clearance: Classification) -> ApiCall:
    path = f"{PREFIX}/{domain.name}/{table.name}"
    try:
        parameters = list(_parameters(table, pattern.query, clearance))
    except _Untranslatable:
        return ApiCall(name=pattern.name, table=table.name, path=f"{path}?limit=20", is_exact=False)
    query = f"{path}?{urlencode(parameters)}" if parameters else path
    return ApiCall(name=pattern.name, table=table.name, path=query, is_exact=True)


class _Untranslatable(Exception):  # noqa: N818  a signal inside this module
    """The API has no words for this part of a query."""


def _parameters(table: TableContract, query: str, clearance: Classification) -> Iterator[tuple[str, str]]:
    import sqlglot
    from sqlglot import expressions as sql

    tree = sqlglot.parse_one(query, read="postgres")
    if not isinstance(tree, sql.Select) or any(
        tree.args.get(part) for part in ("joins", "group", "having", "distinct")
    ):
        raise _Untranslatable
    names = [each.name for each in tree.expressions if isinstance(each, sql.Column)]
    if len(names) == len(tree.expressions):
        yield "fields", ",".join(names)
    where = tree.args.get("where")
    for condition in (
        where.this.flatten() if where and isinstance(where.this, sql.And) else ([where.this] if where else [])
    ):
        yield _filter(table, condition, clearance)
    order = tree.args.get("order")
    if order:
        yield "order", ",".join(_order(table, each, clearance) for each in order.expressions)
    limit = tree.args.get("limit")
    if limit:
        yield "limit", limit.expression.name


def _filter(table: TableContract, condition: Expr, clearance: Classification) -> tuple[str, str]:
    from sqlglot import expressions as sql

    operators: dict[type[Expr], str] = {
        sql.EQ: "",
        sql.GT: "__gt",
        sql.GTE: "__gte",
        sql.LT: "__lt",
        sql.LTE: "__lte",
        sql.ArrayContainsAll: "__contains",
    }
    column, value = condition.this, condition.args.get("expression")
    if not isinstance(column, sql.Column):
        raise _Untranslatable
    _require_clear(table.column(column.name), clearance)
    if isinstance(condition, sql.Is) and isinstance(value, sql.Null):
        return f"{column.name}__is_null", "true"
    operator = operators.get(type(condition))
    if operator is None or not isinstance(value, sql.Literal):
        raise _Untranslatable
    return column.name + operator, value.name


def _order(table: TableContract, ordered: Expr, clearance: Classification) -> str:
    from sqlglot import expressions as sql

    if not isinstance(ordered.this, sql.Column) or not table.column(ordered.this.name).is_required:
        raise _Untranslatable
    _require_clear(table.column(ordered.this.name), clearance)
    return f"-{ordered.this.name}" if ordered.args.get("desc") else ordered.this.name


def _require_clear(column: ColumnContract, clearance: Classification) -> None:
    if column.classification is not None and column.classification.rank > clearance.rank:
        raise _Untranslatable
