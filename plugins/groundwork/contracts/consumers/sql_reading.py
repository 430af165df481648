"""What a query reads: tables, their columns, and what each column of its result is made from.

The query is parsed and its names are resolved by scope, with aliases, sub-queries, common table expressions and stars;
nothing is searched for as text. Where a name cannot be resolved, the tables in its scope count as read whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

Table = tuple[str, str]  # schema and name; an empty schema where the query names none
Column = tuple[str, str, str]  # schema, table and name
_UNTRACED: Column = ("", "", "")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one query reads; `whole` are the tables of which any column may be read."""

    tables: frozenset[Table] = frozenset()
    columns: frozenset[Column] = frozenset()
    whole: frozenset[Table] = frozenset()
    results: Mapping[str, frozenset[Column]] = field(default_factory=dict)


def read_sql(sql: str, known: Mapping[Table, Sequence[str]]) -> Reading | None:
    """What the PostgreSQL statement `sql` reads, null when it does not parse; one that writes names its tables only.

    `known` are the columns of the tables that may occur; a table without schema in the query is found by its name.
    """
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import traverse_scope

    try:
        statements = [statement for statement in parse(sql, dialect="postgres") if statement is not None]
        if len(statements) != 1 or not isinstance(statements[0], exp.Query):
            return _tables_only(sql)
        tree = _with_schemas(statements[0], known)
        named = qualify(
            tree,
            dialect="postgres",
            schema=_schema(known),
            validate_qualify_columns=False,
            allow_partial_qualification=True,  # tables that nobody knows may stand beside known ones
            quote_identifiers=False,
        )
        scopes = traverse_scope(named)
    except (SqlglotError, RecursionError, ValueError, KeyError, AttributeError):
        return _tables_only(sql)  # a form that sqlglot cannot follow
    return _reading(scopes)


def _reading(scopes: list[Scope]) -> Reading:
    tables: set[Table] = set()
    columns: set[Column] = set()
    whole: set[Table] = set()
    for scope in scopes:
        present = {_address(source) for source in scope.sources.values() if _is_table(source)}
        tables |= present
        for column in scope.columns:
            source = scope.sources.get(column.table)
            if source is not None and _is_table(source):
                columns.add((*_address(source), column.name))
            elif source is None and not column.table:
                whole |= present
        if scope.table_columns or any(select.is_star for select in getattr(scope.expression, "selects", ())):
            whole |= present
    return Reading(
        tables=frozenset(tables),
        columns=frozenset(columns),
        whole=frozenset(whole),
        results=dict(_results(scopes[-1], frozenset(columns))) if scopes else {},
    )


def _results(scope: Scope, columns: frozenset[Column]) -> Iterator[tuple[str, frozenset[Column]]]:
    """Each column of the result with its origins; all columns that are read where they cannot be followed."""
    for position, name in enumerate(_query(scope).named_selects):
        origins = frozenset(_origins(scope, position, set()))
        yield name, columns if _UNTRACED in origins else origins


def _origins(scope: Scope, position: int, seen: set[tuple[int, int]]) -> Iterator[Column]:
    """The columns of tables that the result column at `position` is made from."""
    from sqlglot import exp

    if (id(scope), position) in seen:
        return  # a recursive query
    seen.add((id(scope), position))
    if scope.set_operation_scopes:
        for branch in scope.set_operation_scopes:
            yield from _origins(branch, position, seen)
        return
    selects = _query(scope).selects
    if position >= len(selects):
        return
    sources = {**dict(_inner_sources(scope)), **scope.sources}
    for node in selects[position].find_all(exp.Column):
        source = sources.get(node.table)
        names = list(getattr(getattr(source, "expression", None), "named_selects", ()))
        if source is not None and _is_table(source):
            yield (*_address(source), node.name)
        elif source is not None and node.name in names:
            yield from _origins(source, names.index(node.name), seen)
        else:
            yield _UNTRACED


def _query(scope: Scope) -> Any:
    """The query of a scope, which sqlglot's types only know as an expression."""
    return scope.expression


def _inner_sources(scope: Scope) -> Iterator[tuple[str, Any]]:
    """What the sub-queries of a query read from, by name."""
    for inner in scope.subquery_scopes:
        yield from inner.sources.items()
        yield from _inner_sources(inner)


def _with_schemas(tree: exp.Query, known: Mapping[Table, Sequence[str]]) -> exp.Query:
    """The query with a schema at every table whose name is known once."""
    from sqlglot import exp

    by_name: dict[str, list[str]] = {}
    for schema, name in known:
        by_name.setdefault(name, []).append(schema)
    made = {node.alias for node in tree.find_all(exp.CTE)}
    for node in tree.find_all(exp.Table):
        schemas = by_name.get(node.name, [])
        if not node.db and node.name not in made and len(schemas) == 1 and schemas[0]:
            node.set("db", exp.to_identifier(schemas[0], quoted=True))
    return tree


def _schema(known: Mapping[Table, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (schema, name), columns in known.items():
        if schema and columns:
            found.setdefault(schema, {})[name] = dict.fromkeys(columns, "text")
    return found


def _tables_only(sql: str) -> Reading | None:
    """The tables that any statement names, each whole; null when it does not parse."""
    from pglast import ast, parse_sql
    from pglast.parser import ParseError
    from pglast.visitors import Visitor

    named: set[Table] = set()
    made: set[str] = set()

    class _Names(Visitor):
        def visit_RangeVar(self, _: Any, node: ast.RangeVar) -> None:  # noqa: N802
            named.add((node.schemaname or "", str(node.relname)))

        def visit_CommonTableExpr(self, _: Any, node: ast.CommonTableExpr) -> None:  # noqa: N802
            made.add(str(node.ctename))

    try:
        _Names()(parse_sql(sql))
    except (ParseError, ValueError, RecursionError):
        return None
    tables = frozenset(table for table in named if table[0] or table[1] not in made)
    return Reading(tables=tables, whole=tables)


def _is_table(source: Any) -> bool:
    from sqlglot import exp

    return isinstance(source, exp.Table)


def _address(source: Any) -> Table:
    return str(source.text("db")), str(source.name)
