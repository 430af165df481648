"""Indexes over columns that exist, of a kind that PostgreSQL builds.

Each index has a name and keys; a key is a column or an expression, its order `asc` or `desc`, its nulls `first` or
`last`; the method is one of PostgreSQL's, and only a B-tree can be unique or ordered. Unique keys name existing columns
as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, KeyPart, Part, Problem, TablePart, index_keys
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_WORD = re.compile(r"([a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?)?")  # a name, with its schema or without
_LONGEST = 60  # characters of what stands there, in a message
_METHODS = ("btree", "hash", "gin", "gist", "spgist", "brin")


def check(domain: DomainPart) -> Iterator[Problem]:
    """Everything that keeps an index or unique key from being built."""
    for table in domain.tables:
        for index in table.indexes:
            yield from _index(table, index)
        for key in table.custom_parts("uniqueKeys"):
            yield from _unnamed(key, "unique key")
            for position, name in enumerate(key.texts("columns")):
                yield from _column(table, key, f"/columns/{position}", name)
            for position, name in enumerate(key.texts("include")):
                yield from _column(table, key, f"/include/{position}", name)


def _index(table: TablePart, index: Part) -> Iterator[Problem]:
    yield from _unnamed(index, "index")
    method = index.text("method") or "btree"
    if method not in _METHODS:
        yield index.problem(
            "/method", f"the index method `{method}` is not known", f"write one of {', '.join(_METHODS)}"
        )
    elif method != "btree" and index.data.get("unique") is True:
        yield index.problem("/unique", f"an index of the method {method} cannot be unique", "write `method: btree`")
    keys = list(index_keys(index))
    if not keys:
        yield index.problem("/columns", "the index has no keys", "add `columns: [<column>]`")
    for key in keys:
        yield from _key(table, index, key, method)
    for position, name in enumerate(index.texts("include")):
        yield from _column(table, index, f"/include/{position}", name)


def _key(table: TablePart, index: Part, key: KeyPart, method: str) -> Iterator[Problem]:
    if (key.column is None) == (key.expression is None):
        yield index.problem(
            key.pointer, "a key is either a column or an expression", "keep one of `column` and `expression`"
        )
    elif key.column is not None:
        yield from _column(table, index, key.pointer, key.column)
    if not _WORD.fullmatch(key.operator_class):
        yield index.problem(
            key.pointer,
            f"`{key.operator_class[:_LONGEST]}` is no operator class",
            "write its name, e.g. `jsonb_path_ops`",
        )
    if key.order not in ("asc", "desc"):
        yield index.problem(key.pointer, f"the order `{key.order}` is not known", "write `asc` or `desc`")
    elif key.nulls not in ("", "first", "last"):
        yield index.problem(key.pointer, f"nulls come `first` or `last`, not `{key.nulls}`", "write `first` or `last`")
    elif (key.order == "desc" or key.nulls) and method in _METHODS and method != "btree":
        yield index.problem(key.pointer, f"an index of the method {method} has no order", "remove `desc` and `nulls`")


def _column(table: TablePart, part: Part, pointer: str, name: str) -> Iterator[Problem]:
    if table.column(name) is None:
        declared = ", ".join(table.column_names)
        yield part.problem(pointer, f"`{table.name}` has no column `{name}`", f"name one of {declared}")


def _unnamed(part: Part, kind: str) -> Iterator[Problem]:
    if not part.text("name"):
        yield part.problem("", f"the {kind} has no name", "add `name: <table>_<columns>_idx`")
