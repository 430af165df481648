"""What an access pattern asks of a table: read from the parsed query, never from its text.

A column counts as restricted only where every row must meet the condition (joined by AND at the top of WHERE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from groundwork.model.errors import ConfigError

_RANGE = {"<", ">", "<=", ">="}


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Columns of one table by how a query restricts them, each in order of appearance; ordering with `DESC` told."""

    equal: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    ordered: tuple[tuple[str, bool], ...] = ()


def demand(query: str, schema: str, table: str, columns: frozenset[str]) -> Demand:
    """What `query` asks of the table; columns that the table does not declare are left out.

    Raises: ConfigError when the query is not exactly one SELECT.
    """
    from pglast import enums

    select = parse_select(query)
    names = _names_of(select, schema, table)
    equal: dict[str, None] = {}
    between: dict[str, None] = {}
    for condition in _conjuncts(select.whereClause):
        column, operator = _restriction(condition, names, columns)
        if column is not None:
            (between if operator in _RANGE else equal)[column] = None
    ordered = [
        (column, int(item.sortby_dir or 0) == enums.SortByDir.SORTBY_DESC)
        for item in select.sortClause or ()
        if (column := _column(item.node, names, columns)) is not None
    ]
    return Demand(
        equal=tuple(equal), between=tuple(name for name in between if name not in equal), ordered=tuple(ordered)
    )


def parse_select(query: str) -> Any:
    """The parsed query.

    Raises: ConfigError when it is not exactly one SELECT that only reads.
    """
    from pglast import ast, parse_sql, parser

    try:
        statements = parse_sql(query)
    except parser.ParseError as error:
        raise ConfigError("this access pattern does not parse", where=query, found=str(error)) from error
    if len(statements) != 1 or not isinstance(statements[0].stmt, ast.SelectStmt):
        raise ConfigError("an access pattern is one SELECT", where=query, found=f"{len(statements)} statement(s)")
    select = statements[0].stmt
    if select.intoClause is not None or select.lockingClause or _writes(select):
        raise ConfigError("an access pattern only reads", where=query, found="a SELECT that writes or locks")
    return select


def moved(query: str, tables: frozenset[tuple[str, str]], schema: str) -> str:
    """The query with the given (schema, table) pairs taken from `schema` instead."""
    from pglast.stream import RawStream

    select = parse_select(query)
    for relation in _relations(select):
        if (relation.schemaname, relation.relname) in tables:
            relation.schemaname = schema
    return str(RawStream()(select))


def tables_of(query: str) -> frozenset[tuple[str | None, str]]:
    """The (schema, table) pairs that the query reads; schema is null where it names none."""
    return frozenset((relation.schemaname, relation.relname) for relation in _relations(parse_select(query)))


def _relations(select: Any) -> list[Any]:
    from pglast import ast, visitors

    found: list[Any] = []

    class _Collect(visitors.Visitor):
        def visit_RangeVar(self, _ancestors: Any, node: ast.RangeVar) -> None:  # noqa: N802  pglast's naming
            found.append(node)

    _Collect()(select)
    return found


def _writes(select: Any) -> bool:
    """Whether a common table expression changes data."""
    from pglast import ast

    clause = select.withClause
    return clause is not None and any(not isinstance(each.ctequery, ast.SelectStmt) for each in clause.ctes)


def _names_of(select: Any, schema: str, table: str) -> frozenset[str]:
    """The names under which the query knows the table."""
    return frozenset(
        relation.alias.aliasname if relation.alias else relation.relname
        for relation in _relations(select)
        if relation.relname == table and relation.schemaname in (schema, None)
    )


def _conjuncts(node: Any) -> list[Any]:
    from pglast import ast, enums

    if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.AND_EXPR:
        return [part for argument in node.args or () for part in _conjuncts(argument)]
    return [] if node is None else [node]


def _restriction(node: Any, names: frozenset[str], columns: frozenset[str]) -> tuple[str | None, str]:
    """The column a condition restricts and the operator, or null when it is not of the form column-operator-value."""
    from pglast import ast, enums

    if not isinstance(node, ast.A_Expr):
        return None, ""
    left, right = (_column(side, names, columns) for side in (node.lexpr, node.rexpr))
    if (left is None) == (right is None):
        return None, ""
    kinds = enums.A_Expr_Kind
    if node.kind in (kinds.AEXPR_BETWEEN, kinds.AEXPR_BETWEEN_SYM):
        return left, ">="
    operator = node.name[-1].sval if node.name else ""
    if node.kind in (kinds.AEXPR_OP, kinds.AEXPR_OP_ANY, kinds.AEXPR_IN) and operator in _RANGE | {"="}:
        return left or right, operator
    return None, ""


def _column(node: Any, names: frozenset[str], columns: frozenset[str]) -> str | None:
    from pglast import ast

    if not isinstance(node, ast.ColumnRef):
        return None
    parts = [getattr(field, "sval", None) for field in node.fields or ()]
    if not parts or parts[-1] not in columns or (len(parts) > 1 and parts[-2] not in names):
        return None
    return str(parts[-1])
