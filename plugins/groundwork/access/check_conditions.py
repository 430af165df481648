"""Conditions over a row, evaluated by DuckDB where it means exactly what PostgreSQL means.

That is a small language: comparisons within one family of types, null tests, BETWEEN, IN, AND, OR, NOT, sums and
products of numbers, lengths. The condition's own syntax tree (PostgreSQL's) is looked at; whatever else stands in it
leaves the condition to PostgreSQL itself (`groundwork.access.check_lookup`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
from sqlalchemy import column, select, table

from groundwork.access.check_plain import plain
from groundwork.access.check_plan import Condition
from groundwork.access.check_types import Plain, compiled_sql
from groundwork.access.validation import Field

ROWS = "groundwork_rows"  # what DuckDB calls the table of good rows
_COMPARISONS = {"=", "<>", "!=", "<", "<=", ">", ">="}
_EQUALITY = {"=", "<>", "!="}
_ARITHMETIC = {"+", "-", "*"}
_LENGTHS = {"length", "char_length", "character_length"}
_ORDERED = {"number", "day", "moment", "local_moment", "clock"}


class _ForeignError(Exception):
    """The condition says something that DuckDB might mean otherwise."""


def duck_query(condition: Condition, fields: Mapping[str, Field], numbers: Mapping[str, int]) -> str | None:
    """DuckDB's query for the numbers of rows in `ROWS` that break the condition; null when PostgreSQL must say."""
    seen = {name: plain(fields[name]) for name in condition.columns}
    if any(each is None for each in seen.values()):
        return None
    known = {name: each for name, each in seen.items() if each is not None}
    try:
        text = _translated(condition.sql, known)
    except _ForeignError:
        return None
    keys = {name: f"k{numbers[name]}" for name in known}
    source = table(ROWS, column("row"), *(column(key) for key in keys.values()))
    typed = [each.typed(source.c[keys[name]]).label(_alias(name, known)) for name, each in known.items()]
    query = f"SELECT row FROM ({compiled_sql(select(source.c.row, *typed))}) AS typed WHERE NOT ({text})"  # noqa: S608  parsed
    return query if _compiles(query, keys.values()) else None


def _compiles(query: str, keys: Any) -> bool:
    import pyarrow as pa

    empty = pa.table({"row": pa.array([], pa.int64()), **{key: pa.array([], pa.string()) for key in keys}})
    with duckdb.connect() as connection:
        connection.register(ROWS, empty)
        try:
            connection.execute(query)
        except duckdb.Error:
            return False
    return True


def _alias(name: str, known: Mapping[str, Plain]) -> str:
    return f"v{list(known).index(name)}"


def _translated(sql: str, known: Mapping[str, Plain]) -> str:
    """The condition with each column by its alias, printed from the tree that was looked at."""
    from pglast import parse_sql
    from pglast.stream import RawStream

    select: Any = parse_sql(f"SELECT ({sql}\n)")[0].stmt
    target: Any = select.targetList[0].val
    family = _family(target, known)
    if family != "boolean":
        raise _ForeignError
    return str(RawStream()(target))


def _family(node: Any, known: Mapping[str, Plain]) -> str:
    """The family of types that an expression's value belongs to; columns in it are renamed to their alias."""
    build = _NODES.get(type(node).__name__)
    if build is None:
        raise _ForeignError
    return str(build(node, known))


def _column(node: Any, known: Mapping[str, Plain]) -> str:
    from pglast.ast import String

    names = [getattr(part, "sval", None) for part in node.fields]
    if len(names) != 1 or names[0] not in known:
        raise _ForeignError
    node.fields = (String(sval=_alias(str(names[0]), known)),)
    return _family_of(known[str(names[0])].duck_type)


def _family_of(word: str) -> str:
    families = {"BIGINT": "number", "DATE": "day", "TIMESTAMPTZ": "moment", "TIMESTAMP": "local_moment"}
    families |= {"TIME": "clock", "BOOLEAN": "boolean", "VARCHAR": "text"}
    found = "number" if word.startswith("DECIMAL") else families.get(word)
    if found is None:
        raise _ForeignError
    return found


def _constant(node: Any, _: Mapping[str, Plain]) -> str:
    if node.isnull:
        raise _ForeignError
    kinds = {"Integer": "number", "Float": "number", "Boolean": "boolean", "String": "literal"}
    kind = kinds.get(type(node.val).__name__)
    if kind is None or (type(node.val).__name__ == "Float" and "e" in str(node.val.fval).lower()):
        raise _ForeignError
    return kind


def _boolean(node: Any, known: Mapping[str, Plain]) -> str:
    for each in node.args:
        if _family(each, known) != "boolean":
            raise _ForeignError
    return "boolean"


def _null_test(node: Any, known: Mapping[str, Plain]) -> str:
    _family(node.arg, known)
    return "boolean"


def _operation(node: Any, known: Mapping[str, Plain]) -> str:
    kind, name = node.kind.name, "".join(part.sval for part in node.name)
    if kind in ("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"):
        _same_family([node.lexpr, *node.rexpr], "<", known)
        return "boolean"
    if kind == "AEXPR_IN":
        _same_family([node.lexpr, *node.rexpr], "=", known)
        return "boolean"
    if kind != "AEXPR_OP" or node.lexpr is None:
        raise _ForeignError
    if name in _COMPARISONS:
        _same_family([node.lexpr, node.rexpr], name, known)
        return "boolean"
    if name in _ARITHMETIC and {_family(node.lexpr, known), _family(node.rexpr, known)} == {"number"}:
        return "number"
    raise _ForeignError


def _same_family(nodes: list[Any], operator: str, known: Mapping[str, Plain]) -> None:
    families = {_family(node, known) for node in nodes} - {"literal"}
    if len(families) != 1:
        raise _ForeignError
    (family,) = families
    literals = [node for node in nodes if type(node).__name__ == "A_Const" and type(node.val).__name__ == "String"]
    if family not in ("text", "day") and literals:
        raise _ForeignError  # each database reads the text of a number or a moment in its own way
    if family == "day" and any(not _is_day(node.val.sval) for node in literals):
        raise _ForeignError
    if family not in _ORDERED and operator not in _EQUALITY:
        raise _ForeignError  # texts are ordered by the collation of the database


def _is_day(text: str) -> bool:
    from datetime import date

    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _call(node: Any, known: Mapping[str, Plain]) -> str:
    name = node.funcname[-1].sval
    arguments: tuple[Any, ...] = tuple(node.args or ())
    if name in _LENGTHS and len(arguments) == 1 and _family(arguments[0], known) == "text":
        return "number"
    if name == "abs" and len(arguments) == 1 and _family(arguments[0], known) == "number":
        return "number"
    raise _ForeignError


_NODES: Mapping[str, Any] = {
    "A_Const": _constant,
    "A_Expr": _operation,
    "BoolExpr": _boolean,
    "ColumnRef": _column,
    "FuncCall": _call,
    "NullTest": _null_test,
}
