"""SQL fragments of contracts, parsed before anything runs them.

Owns the proof that a fragment is one expression, or one SELECT, and the names of the columns it mentions. PostgreSQL's
own parser (pglast) decides, so that nothing slips through a difference between parsers.
"""

from __future__ import annotations

from typing import Any


class UnsafeSqlError(ValueError):
    """The fragment does not parse, or is more than the one expression or SELECT it must be."""


def condition_columns(condition: str) -> tuple[str, ...]:
    """Names of the columns that a boolean expression over one row mentions, in order of first mention.

    Raises: UnsafeSqlError when it is not exactly one expression, or holds a query of its own.
    """
    select = _only_select(f"SELECT ({condition}\n)")
    allowed = {"targetList", "groupDistinct", "limitOption", "op", "all"}
    extra = sorted(name for name in select.__slots__ if name not in allowed and getattr(select, name, None))
    if extra or len(select.targetList) != 1:
        raise UnsafeSqlError(f"expected one expression, found also {', '.join(extra) or 'further expressions'}")
    if _nodes(select.targetList, "SubLink"):
        raise UnsafeSqlError("a condition over one row cannot hold a query of its own")
    return tuple(dict.fromkeys(_nodes(select.targetList, "ColumnRef")))


def require_select(query: str) -> None:
    """Accept exactly one SELECT that changes nothing.

    Raises: UnsafeSqlError otherwise (several statements, data-changing WITH, SELECT INTO, row locks).
    """
    select = _only_select(query)
    if select.intoClause or select.lockingClause:
        raise UnsafeSqlError("expected a SELECT that only reads, found INTO or a row lock")
    for changing in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
        if _nodes(select, changing):
            raise UnsafeSqlError(f"expected a SELECT that only reads, found {changing.removesuffix('Stmt').upper()}")


def _only_select(sql: str) -> Any:
    from pglast import ast, parse_sql
    from pglast.parser import ParseError

    try:
        statements = parse_sql(sql)
    except ParseError as error:
        raise UnsafeSqlError(f"PostgreSQL cannot parse it: {error.args[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0].stmt, ast.SelectStmt):
        raise UnsafeSqlError(f"expected one SELECT, found {len(statements)} statement(s)")
    return statements[0].stmt


def _nodes(tree: Any, kind: str) -> list[str]:
    """The last name of every node of class `kind` in `tree`, or the class itself where it has no name."""
    if isinstance(tree, tuple | list):
        return [name for item in tree for name in _nodes(item, kind)]
    if not hasattr(tree, "__slots__"):
        return []
    found = [name for slot in tree.__slots__ for name in _nodes(getattr(tree, slot, None), kind)]
    if type(tree).__name__ == kind:
        fields = getattr(tree, "fields", None) or ()
        found.insert(0, str(getattr(fields[-1], "sval", "*")) if fields else kind)
    return found
