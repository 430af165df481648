"""The statement that failed, parsed before anything is done with it, and told without its values."""

# groundwork: allow-file raw_sql,own_session what failed is explained as it was sent

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, text

from groundwork.catalog.session import run, undone
from groundwork.orbt.remedies.remedy import RemedyRefusedError, Scene

_PLACEHOLDER = re.compile(r"%(?:\((?P<name>[^)]+)\))?(?P<kind>[stb%])")  # psycopg's, also inside of quotes
_CONSTANTS = {"SCONST", "USCONST", "ICONST", "FCONST", "BCONST", "XCONST"}
_COMMENTS = {"SQL_COMMENT", "C_COMMENT"}
_VOLATILE = text(
    "SELECT EXISTS (SELECT FROM pg_proc WHERE provolatile = 'v' AND proname IN :names) AS is_there"
).bindparams(bindparam("names", expanding=True))
_TOLD = 300  # characters of a statement that are told


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One SELECT, INSERT, UPDATE, DELETE or MERGE.

    `sql` and `parameters` are what the driver is given, `numbered` the same with `$1`, …, which stand for `names` (null
    where a parameter goes by its place); `tree` is pglast's. `tables` are (schema, name), the schema null where the
    statement names none; `functions` are called by name.
    """

    sql: str
    parameters: Any
    numbered: str
    names: tuple[str | None, ...]
    tree: Any
    tables: frozenset[tuple[str | None, str]]
    functions: frozenset[str]

    @property
    def is_reading(self) -> bool:
        """Whether it is a SELECT that neither locks rows nor changes any on the way."""
        return bool(_only_reads(self.tree))

    def execute(self, connection: Connection, prefix: str = "") -> Any:
        """Send it as it was sent, with a prefix such as EXPLAIN."""
        if self.parameters is None:
            return run(connection, f"{prefix}{self.sql}")
        return connection.exec_driver_sql(f"{prefix}{self.sql}", self.parameters)

    def is_harmless(self, connection: Connection) -> bool:
        """Whether running it can change nothing: it only reads, and calls no function that is declared volatile."""
        if not self.is_reading:
            return False
        if not self.functions:
            return True
        return not connection.execute(_VOLATILE, {"names": sorted(self.functions)}).scalar_one()


def failed(scene: Scene) -> Statement:
    """The statement of a scene.

    Raises: RemedyRefusedError when the failure does not tell it, or it is not exactly one that reads or changes rows.
    """
    if not scene.statement or not scene.statement.strip():
        raise RemedyRefusedError("the failure does not tell which statement it was")
    return parsed(scene.statement, scene.parameters)


def parsed(sql: str, parameters: Any = None) -> Statement:
    """One statement with its parameters as the driver takes them; of many sets of parameters the first counts.

    Raises: RemedyRefusedError as `failed` does.
    """
    from pglast import ast, parse_sql, parser

    one = _one_set(parameters)
    numbered, names = (sql, ()) if one is None else _numbered(sql)
    try:
        statements = parse_sql(numbered)
    except (parser.ParseError, ValueError, RecursionError):
        raise RemedyRefusedError("the failed statement does not parse as PostgreSQL") from None
    kinds = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
    if len(statements) != 1 or not isinstance(statements[0].stmt, kinds):
        raise RemedyRefusedError("the failed statement is not one SELECT, INSERT, UPDATE, DELETE or MERGE")
    tree = statements[0].stmt
    if getattr(tree, "intoClause", None) is not None:
        raise RemedyRefusedError("the failed statement makes a table")
    tables, functions = _names(tree)
    return Statement(
        sql=sql.rstrip().rstrip(";"),
        parameters=one,
        numbered=numbered,
        names=names,
        tree=tree,
        tables=tables,
        functions=functions,
    )


def derived(statement: Statement, sql: str) -> Statement:
    """Another statement with the same parameters: `sql` refers to them as `$1`, … of `statement.numbered`.

    Named parameters keep their names. Raises: RemedyRefusedError when it is not one statement.
    """
    if statement.parameters is None:
        return parsed(sql)
    return parsed(with_placeholders(statement, sql), _by_name(statement))


def with_placeholders(statement: Statement, sql: str) -> str:
    """`sql` with `$1`, … as the driver takes parameters by name; those that had none are called p1, …"""
    from pglast import parser

    parts, end = [], 0
    for token in parser.scan(sql):
        if token.name == "PARAM":
            number = int(sql[token.start + 1 : token.end + 1])
            parts += [sql[end : token.start].replace("%", "%%"), f"%({_name(statement, number)})s"]
            end = token.end + 1
    return "".join(parts) + sql[end:].replace("%", "%%")


@contextmanager
def looking(engine: Engine, seconds: float) -> Iterator[Connection]:
    """A connection in a read-only transaction that is rolled back; a statement of it may take so long."""
    with engine.connect() as connection, undone(connection):
        run(connection, "SET TRANSACTION READ ONLY")
        run(connection, "SET LOCAL lock_timeout = '3s'")
        limit_statements(connection, seconds)
        yield connection


def limit_statements(connection: Connection, seconds: float) -> None:
    """From now on a statement of this transaction may take so long."""
    run(connection, f"SET LOCAL statement_timeout = {max(int(seconds * 1000), 1)}")


def told(sql: str) -> str:
    """SQL, or a part of it, without any value, cut to what people read.

    >>> told("SELECT 1 FROM t WHERE name = 'Ann' -- hers")
    'SELECT ? FROM t WHERE name = ?'
    """
    from pglast import parser

    try:
        tokens = parser.scan(sql)
    except (parser.ParseError, ValueError):
        return f"{sql.split(maxsplit=1)[0][:20]} …" if sql.strip() else ""
    parts, end = [], 0
    for token in tokens:
        if token.name in _CONSTANTS or token.name in _COMMENTS:
            parts.append(sql[end : token.start] + ("?" if token.name in _CONSTANTS else ""))
            end = token.end + 1
    whole = " ".join(("".join(parts) + sql[end:]).split())
    return whole if len(whole) <= _TOLD else f"{whole[: _TOLD - 1]}…"


def _one_set(parameters: Any) -> Any:
    is_list = isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes)
    is_many = is_list and len(parameters) > 0 and isinstance(parameters[0], Mapping | list | tuple)
    return parameters[0] if is_many else parameters


def _numbered(sql: str) -> tuple[str, tuple[str | None, ...]]:
    names: list[str | None] = []

    def number(found: re.Match[str]) -> str:
        if found["kind"] == "%":
            return "%"
        name = found["name"]
        if name is None or name not in names:
            names.append(name)
            return f"${len(names)}"
        return f"${names.index(name) + 1}"

    return _PLACEHOLDER.sub(number, sql), tuple(names)


def _name(statement: Statement, number: int) -> str:
    return statement.names[number - 1] or f"p{number}"


def _by_name(statement: Statement) -> dict[str, Any]:
    given = statement.parameters
    if isinstance(given, Mapping):
        return dict(given)
    return {_name(statement, number): value for number, value in enumerate(given, start=1)}


def _only_reads(tree: Any) -> bool:
    from pglast import ast, visitors

    found: list[Any] = []

    class _Collect(visitors.Visitor):
        def visit(self, _ancestors: Any, node: Any) -> None:
            kinds = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.LockingClause)
            if isinstance(node, kinds):
                found.append(node)

    _Collect()(tree)
    return isinstance(tree, ast.SelectStmt) and not found


def _names(tree: Any) -> tuple[frozenset[tuple[str | None, str]], frozenset[str]]:
    from pglast import ast, visitors

    tables: set[tuple[str | None, str]] = set()
    made: set[str] = set()
    functions: set[str] = set()

    class _Collect(visitors.Visitor):
        def visit_RangeVar(self, _: Any, node: ast.RangeVar) -> None:  # noqa: N802  pglast's naming
            tables.add((node.schemaname, str(node.relname)))

        def visit_CommonTableExpr(self, _: Any, node: ast.CommonTableExpr) -> None:  # noqa: N802
            made.add(str(node.ctename))

        def visit_FuncCall(self, _: Any, node: ast.FuncCall) -> None:  # noqa: N802
            functions.update(str(part.sval) for part in (node.funcname or ())[-1:])

    _Collect()(tree)
    return frozenset(each for each in tables if each[0] or each[1] not in made), frozenset(functions)
