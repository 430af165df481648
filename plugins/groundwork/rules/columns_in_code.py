"""Columns of declared tables that Python names: of SQLAlchemy's tables, mapped classes, repositories and their rows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.rules.code.dynamic import constant_text
from groundwork.rules.code.invocation import Invocation
from groundwork.rules.code.origin import paths
from groundwork.rules.code.scope import Bound, Scope
from groundwork.rules.subject import PythonSubject
from groundwork.rules.tables import repository_at, table_at

_COLUMN = re.compile(r"(?:sqlalchemy|sqlmodel)(?:\.\w+)*\.(?:Column|column|mapped_column|Field)")
_ROWS = re.compile(
    r"\.(?:get\(\)|update\(\)|list\(\)\.rows\[\]|pages\(\)\[\]|insert\(\)\[\]|list\(\)\.rows\[[^\]]*\])(?P<rest>.*)"
)
_OF_TABLE = frozenset(["get", "keys", "values", "items", "contains_column", "add", "as_readonly", "compare"])
_WRITES = {"insert": 0, "bulk_insert": 0, "upsert": 0, "update": 1, "create": 0}
_OPERATIONS = re.compile(r"__|^-")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A column that code names, at a place."""

    schema: str
    table: str
    column: str
    node: ast.AST


def named_columns(subject: PythonSubject) -> Iterator[Named]:
    """Every column of a table that Python code names."""
    yield from _members(subject)
    for invocation in subject.invocations:
        if isinstance(invocation.origin, str):
            yield from _of_call(subject, invocation.origin, invocation)
    for scope in subject.module.classes:
        yield from _mapped(subject, scope)


def _members(subject: PythonSubject) -> Iterator[Named]:
    """`table.c.name`, `table.c["name"]`, `table.columns.name`, and `row["name"]` of a repository's row."""
    for site in subject.module.members:
        node, scope = site.node, site.place.scope
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            name: str | None = node.attr
        elif isinstance(node, ast.Subscript):
            name = constant_text(node.slice, scope, subject.module)
        else:
            continue
        if name is None:
            continue
        for path in paths(subject.analysis.resolver.of(node.value, scope, subject.module)):
            yield from _member(path, name, node)


def _member(path: str, name: str, node: ast.Attribute | ast.Subscript) -> Iterator[Named]:
    found = table_at(path)
    if found is not None:
        is_method = isinstance(node, ast.Attribute) and name in _OF_TABLE
        if found[2] in (".c", ".columns") and not is_method and not name.startswith("_"):
            yield Named(schema=found[0], table=found[1], column=name, node=node)
        return
    found = repository_at(path)
    rows = _ROWS.fullmatch(found[2]) if found else None
    if found is not None and rows is not None and not rows["rest"] and isinstance(node, ast.Subscript):
        yield Named(schema=found[0], table=found[1], column=name, node=node)


def _of_call(subject: PythonSubject, path: str, invocation: Invocation) -> Iterator[Named]:
    name = path[path.rfind(".") + 1 :]
    table = table_at(path.rpartition(".")[0])
    if table is not None and not table[2] and name in ("insert", "update", "values"):
        return
    found = repository_at(path)
    if found is None:
        yield from _made_table(subject, path, invocation)
        return
    rows = _ROWS.fullmatch(found[2])
    if found[2] == f".{name}":
        nodes = [*_filters(subject, invocation), *_order(invocation), *_rows(subject, name, invocation)]
    elif rows is not None and rows["rest"] == ".get":
        nodes = [invocation.positional[0]] if invocation.positional else []
    else:
        nodes = []
    for node in nodes:
        text = constant_text(node, invocation.scope, subject.module)
        if text:
            yield Named(schema=found[0], table=found[1], column=text.removeprefix("-"), node=node)


def _filters(subject: PythonSubject, invocation: Invocation) -> Iterator[ast.expr]:
    """The columns of `Filter(column="…")` and of filters that are a mapping."""
    given = invocation.argument(0, "filters")
    for value in _opened(given, invocation):
        if isinstance(value, ast.Dict):
            yield from (key for key in value.keys if key is not None)
        elif isinstance(value, ast.List | ast.Tuple | ast.Set):
            for each in value.elts:
                if isinstance(each, ast.Call):
                    yield from (keyword.value for keyword in each.keywords if keyword.arg == "column")
                    is_filter = getattr(each.func, "id", getattr(each.func, "attr", "")) == "Filter"
                    yield from each.args[:1] if is_filter else ()


def _order(invocation: Invocation) -> Iterator[ast.expr]:
    for name in ("order", "order_by", "fields", "columns"):
        for value in _opened(invocation.named.get(name), invocation):
            if isinstance(value, ast.List | ast.Tuple | ast.Set):
                yield from value.elts
            elif isinstance(value, ast.Constant):
                yield value


def _rows(subject: PythonSubject, method: str, invocation: Invocation) -> Iterator[ast.expr]:
    """The keys of mappings that are written."""
    if method not in _WRITES:
        return
    given = invocation.argument(_WRITES[method], "rows", "changes", "row")
    for value in _opened(given, invocation):
        each = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        for row in each:
            for inner in _opened(row, invocation):
                if isinstance(inner, ast.Dict):
                    yield from (key for key in inner.keys if key is not None)


def _opened(node: ast.expr | None, invocation: Invocation) -> Iterator[ast.expr]:
    """A value, and what it is bound to where it is a name."""
    if node is None:
        return
    if isinstance(node, ast.Name):
        for binding in invocation.scope.lookup(node.id):
            if binding.bound is Bound.VALUE and binding.value is not None:
                yield binding.value
        return
    yield node


def _made_table(subject: PythonSubject, path: str, invocation: Invocation) -> Iterator[Named]:
    """The columns of `Table("orders", metadata, Column("…"), …)`."""
    module = subject.module
    found = [
        table
        for made in paths(subject.analysis.resolver.of(invocation.node, invocation.scope, module))
        if made.startswith("table:") and (table := table_at(made)) is not None
    ]
    if not found or path.startswith("table:"):
        return
    for value in invocation.positional[1:]:
        if not isinstance(value, ast.Call) or not value.args:
            continue
        kinds = paths(subject.analysis.resolver.of(value.func, invocation.scope, module))
        name = constant_text(value.args[0], invocation.scope, module)
        if name is not None and any(_COLUMN.fullmatch(kind) for kind in kinds):
            yield Named(schema=found[0][0], table=found[0][1], column=name, node=value)


def _mapped(subject: PythonSubject, scope: Scope) -> Iterator[Named]:
    """The columns of a class that is mapped to a table by `__tablename__`."""
    module = subject.module
    tables = [constant_text(each.value, scope, module) for each in scope.names.get("__tablename__", ())]
    if not tables or tables[0] is None:
        return
    schema = _schema(scope) or ""
    for name, bindings in scope.names.items():
        for binding in bindings:
            call = binding.value
            if not isinstance(call, ast.Call):
                continue
            kinds = paths(subject.analysis.resolver.of(call.func, scope, module))
            if any(_COLUMN.fullmatch(kind) for kind in kinds):
                column = constant_text(call.args[0], scope, module) if call.args else None
                yield Named(schema=schema, table=tables[0], column=column or name, node=call)


def _schema(scope: Scope) -> str | None:
    """The schema in `__table_args__`."""
    for binding in scope.names.get("__table_args__", ()):
        for node in ast.walk(binding.value) if binding.value is not None else ():
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "schema" and isinstance(value, ast.Constant):
                        return str(value.value)
    return None
