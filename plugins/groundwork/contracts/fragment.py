"""SQL that a contract carries as text: parsed by PostgreSQL's own grammar before anything else sees it.

A fragment is either one expression (a CHECK condition, a default, a generated column, an index predicate or key) or
one SELECT (an access pattern). Whatever does not parse as exactly that is refused, so a contract cannot smuggle a
second statement into DDL. Nothing here runs SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from groundwork.model.errors import ConfigError

_PLAIN_SELECT_FIELDS = {"targetList", "groupDistinct", "limitOption", "op", "all"}
_NEXT_STEP = "write exactly one PostgreSQL expression, without a semicolon, alias or FROM"


@dataclass(frozen=True, kw_only=True)
class Expression:
    """One parsed expression.

    `columns` are the column names it mentions, without qualifiers, in order of appearance; `functions` the functions
    it calls by their last name. `is_constant` means that its value is the same for every row of one statement.
    """

    sql: str
    columns: tuple[str, ...]
    functions: tuple[str, ...]
    has_subquery: bool
    is_constant: bool


@dataclass(frozen=True, kw_only=True)
class TableReference:
    """A table as a query names it; `schema` is null when the query leaves it out."""

    schema: str | None
    name: str
    alias: str


@dataclass(frozen=True, kw_only=True)
class Query:
    """One parsed SELECT: the tables it reads, and its column references as (qualifier or null, name).

    `made_names` are names that the query itself makes: aliases of results, of sub-queries and of common table
    expressions.
    """

    sql: str
    tables: tuple[TableReference, ...]
    columns: tuple[tuple[str | None, str], ...]
    made_names: frozenset[str]


@lru_cache(maxsize=1024)
def parse_expression(sql: str) -> Expression:
    """The one expression that `sql` is.

    Raises: ConfigError when it is anything else: nothing, two expressions, a clause, a second statement.
    """
    if _has_comment(sql):
        raise ConfigError("SQL comments are not allowed in an expression", found=sql, next_step="remove the comment")
    bare = _single_target(f"SELECT {sql}\n", sql)
    _single_target(f"SELECT ({sql}\n)", sql)
    found = _collect(bare)
    functions = tuple(_last_name(call.funcname) for call in found["FuncCall"])
    columns = tuple(dict.fromkeys(name for _, name in _references(found)))
    return Expression(
        sql=sql,
        columns=columns,
        functions=functions,
        has_subquery=bool(found["SubLink"]),
        is_constant=not columns and not found["SubLink"] and set(functions) <= _STATEMENT_CONSTANTS,
    )


_STATEMENT_CONSTANTS = frozenset(  # functions whose value is fixed for the transaction: adding a column stores it once
    ["now", "transaction_timestamp", "statement_timestamp", "date_trunc", "to_tsvector", "lower", "upper", "make_date"]
)


@lru_cache(maxsize=1024)
def parse_query(sql: str) -> Query:
    """The one read-only SELECT that `sql` is.

    Raises: ConfigError when it is no SELECT, more than one statement, writes, or locks rows.
    """
    statement = select_statement(sql)
    found = _collect(statement)
    made = {_text(node.ctename) for node in found["CommonTableExpr"]}
    made |= {_text(node.name) for node in found["ResTarget"] if node.name}
    for node in (*found["RangeSubselect"], *found["RangeFunction"]):
        if node.alias is not None:
            made |= {_text(node.alias.aliasname), *(_text(part) for part in node.alias.colnames or ())}
    tables = tuple(
        TableReference(
            schema=node.schemaname, name=node.relname, alias=node.alias.aliasname if node.alias else node.relname
        )
        for node in found["RangeVar"]
        if node.schemaname or node.relname not in made
    )
    return Query(sql=sql, tables=tables, columns=tuple(_references(found)), made_names=frozenset(made))


def select_statement(sql: str) -> Any:
    """The syntax tree (pglast) of the one read-only SELECT that `sql` is; raises as `parse_query` does."""
    statements = _parse(sql, sql)
    if len(statements) != 1 or type(statements[0].stmt).__name__ != "SelectStmt":
        raise ConfigError(
            "this is not a single SELECT", expected="one SELECT", found=sql, next_step="keep one SELECT statement"
        )
    statement = statements[0].stmt
    found = _collect(statement)
    writes = [name for name in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt") if found[name]]
    if writes or found["IntoClause"] or found["LockingClause"]:
        raise ConfigError(
            "this query does more than read", expected="a SELECT that writes and locks nothing", found=sql
        )
    return statement


def relocated_query(sql: str, schemas: dict[str, str]) -> str:
    """`sql` with every table of a schema in `schemas` read from the schema it maps to."""
    from pglast.stream import RawStream

    statement = select_statement(sql)
    for node in _collect(statement)["RangeVar"]:
        node.schemaname = schemas.get(node.schemaname, node.schemaname)
    return str(RawStream()(statement))


def _parse(statement: str, shown: str) -> tuple[Any, ...]:
    from pglast import parse_sql
    from pglast.parser import ParseError

    try:
        return tuple(parse_sql(statement))
    except (ParseError, ValueError) as error:  # ValueError: a NUL character
        raise ConfigError(
            "this SQL does not parse", expected="valid PostgreSQL", found=f"{shown!r} ({error})"
        ) from error


def _has_comment(sql: str) -> bool:
    """Whether `sql` has a comment, which could swallow what DDL puts after the expression."""
    from pglast.parser import ParseError, scan

    try:
        return any(token.name in ("SQL_COMMENT", "C_COMMENT") for token in scan(sql))
    except (ParseError, ValueError):
        return False  # the parser says what is wrong


def _single_target(statement: str, shown: str) -> Any:
    refusal = ConfigError("this is not one SQL expression", found=shown, next_step=_NEXT_STEP)
    try:
        statements = _parse(statement, shown)
    except ConfigError as error:
        refusal.found = error.found
        raise refusal from error
    if len(statements) != 1 or type(statements[0].stmt).__name__ != "SelectStmt":
        raise refusal
    select = statements[0].stmt
    extra = [name for name in select.__slots__ if name not in _PLAIN_SELECT_FIELDS and getattr(select, name)]
    targets: tuple[Any, ...] = select.targetList or ()
    if extra or len(targets) != 1 or targets[0].name is not None or int(select.op) != 0:
        raise refusal
    value = targets[0].val
    if type(value).__name__ == "ColumnRef" and type(value.fields[-1]).__name__ == "A_Star":
        raise refusal
    return value


class _Found(dict[str, list[Any]]):
    """Syntax nodes by the name of their kind."""

    def __missing__(self, key: str) -> list[Any]:
        return []


def _collect(node: Any) -> _Found:
    """Every node below `node`, itself included, by kind."""
    found = _Found()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, (tuple, list)):
            waiting.extend(reversed(current))
            continue
        if not hasattr(current, "__slots__"):
            continue
        found.setdefault(type(current).__name__, []).append(current)
        children = [getattr(current, name, None) for name in current.__slots__]
        waiting.extend(child for child in reversed(children) if child is not None)
    return found


def _references(found: _Found) -> list[tuple[str | None, str]]:
    references: list[tuple[str | None, str]] = []
    for node in found["ColumnRef"]:
        names = [_text(part) if hasattr(part, "sval") else "*" for part in node.fields]
        if names[-1] != "*":
            references.append((names[-2] if len(names) > 1 else None, names[-1]))
    return references


def _last_name(names: tuple[Any, ...]) -> str:
    return _text(names[-1])


def _text(node: Any) -> str:
    return str(getattr(node, "sval", node))
