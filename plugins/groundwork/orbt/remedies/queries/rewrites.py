"""Other ways to write a query that ask for the same rows: pure, from a tree of sqlglot to another one.

Each is sound for the queries it takes on, and nobody has to believe it: the remedy compares the rows as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp

Columns = Mapping[tuple[str, str], Mapping[str, str]]  # (schema, table): column: type
_ALTERNATIVES = 2  # conditions on one column that make a list


def rewrites(query: str, columns: Columns, schemas: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(what was done, query) for every way that differs from `query`, each once; nothing when it cannot be followed.

    `columns` are of all tables in the query, `schemas` where tables are that are named without one.
    """
    from sqlglot import parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.schema import MappingSchema

    known: dict[str, Any] = {}
    for (schema, table), types in columns.items():
        known.setdefault(schema, {})[table] = dict(types)
    try:
        tree: Any = _with_schemas(parse_one(query, dialect="postgres"), schemas)
        mapping = MappingSchema(known, dialect="postgres", normalize=False)
        tree = qualify(tree, schema=mapping, dialect="postgres")
        plain = tree.sql(dialect="postgres")
        found = {way(tree.copy()).sql(dialect="postgres"): what for what, way in reversed(list(_WAYS.items()))}
    except (SqlglotError, RecursionError, ValueError, KeyError, AttributeError, TypeError):
        return ()  # a form that sqlglot cannot follow
    found.pop(plain, None)
    return tuple((what, sql) for sql, what in reversed(list(found.items())))


def _with_schemas(tree: Any, schemas: Mapping[str, str]) -> Any:
    from sqlglot import exp

    made = {node.alias for node in tree.find_all(exp.CTE)}
    for node in tree.find_all(exp.Table):
        if not node.db and node.name in schemas and node.name not in made:
            node.set("db", exp.to_identifier(schemas[node.name], quoted=True))
    return tree


def _joined(tree: exp.Expression) -> exp.Expression:
    """Sub-queries that run for each row, as joins that run once."""
    from sqlglot.optimizer.unnest_subqueries import unnest_subqueries

    return unnest_subqueries(tree)


def _pushed(tree: exp.Expression) -> exp.Expression:
    """Conditions where the rows come from, and columns left out that nobody reads."""
    from sqlglot.optimizer.pushdown_predicates import pushdown_predicates
    from sqlglot.optimizer.pushdown_projections import pushdown_projections

    return pushdown_projections(pushdown_predicates(tree))


def _listed(tree: exp.Expression) -> exp.Expression:
    """`a = 1 OR a = 2` as `a IN (1, 2)`."""
    from sqlglot import exp

    def change(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Or):
            return node
        parts = list(node.flatten())
        columns = {part.this.sql() for part in parts if isinstance(part, exp.EQ) and _is_constant(part)}
        is_list = len(columns) == 1 and all(isinstance(part, exp.EQ) and _is_constant(part) for part in parts)
        if not is_list or len(parts) < _ALTERNATIVES:
            return node
        values = [part.expression.copy() for part in parts]
        return exp.paren(exp.In(this=parts[0].this.copy(), expressions=values), copy=False)

    return tree.transform(change)


def _ranged(tree: exp.Expression) -> exp.Expression:
    """`at::date = DAY` as `at >= DAY AND at < DAY + 1`, which an index on `at` serves."""
    from sqlglot import exp

    def change(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.EQ):
            return node
        left, right = node.this, node.expression
        is_day = isinstance(left, exp.Cast) and left.to.is_type("date") and isinstance(left.this, exp.Column)
        if not is_day or right.find(exp.Column) is not None:
            return node
        day = exp.cast(right.copy(), "date")
        after = exp.Add(this=day.copy(), expression=exp.Literal.number(1))
        start = exp.GTE(this=left.this.copy(), expression=day)
        return exp.paren(exp.and_(start, exp.LT(this=left.this.copy(), expression=exp.paren(after))), copy=False)

    return tree.transform(change)


def _is_constant(equal: exp.Expression) -> bool:
    from sqlglot import exp

    return isinstance(equal.this, exp.Column) and equal.expression.find(exp.Column, exp.Query) is None


def _all(tree: exp.Expression) -> exp.Expression:
    return _pushed(_joined(_listed(_ranged(tree))))


_WAYS: Mapping[str, Callable[[exp.Expression], exp.Expression]] = {
    "sub-queries as joins": _joined,
    "conditions and columns pushed down": _pushed,
    "alternatives as a list": _listed,
    "a day as a range": _ranged,
    "all of it": _all,
}
