"""Paths of declared tables in Python: a table of SQLAlchemy and a repository carry the name of their table.

`table:market/orders` is a table whose columns are known, `repository:market/orders` its repository.
"""

from __future__ import annotations

import ast
import re

from groundwork.rules.code.dynamic import constant_text
from groundwork.rules.code.module import Module
from groundwork.rules.code.scope import Scope
from groundwork.rules.declared import Declared

_MAKERS = re.compile(r"(?:sqlalchemy|sqlmodel)(?:\.\w+)*\.(?:Table|table)")
_FOUND = re.compile(r"\.tables\['(?P<name>[^']+)'\]")
_REPOSITORY = re.compile(
    r"(?:.*\bRepositories\(\)(?:\.transaction\(\))?|\?(?:\w+\.)*repositories(?:\(\))?(?:\.transaction\(\))?)\['(?P<name>[^']+)'\]"
)


class TableNames:
    """Knows tables by what the contracts declare."""

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def path(self, path: str, call: ast.Call, scope: Scope, module: Module) -> str | None:
        """The path of the table that a call makes, null when it makes none that is known."""
        if not _MAKERS.fullmatch(path) or not call.args:
            return None
        name = constant_text(call.args[0], scope, module)
        schema = next((constant_text(k.value, scope, module) for k in call.keywords if k.arg == "schema"), None)
        if name is None:
            return None
        if schema is None and "." in name:
            schema, _, name = name.partition(".")
        return f"table:{schema or ''}/{name}"


def table_at(path: str) -> tuple[str, str, str] | None:
    """Schema and name of the table that a path begins with, and the rest of the path; null when with none."""
    if path.startswith("table:"):
        made = re.match(r"table:([^/]*)/([^.\[(]+)", path)
        return (made[1], made[2], path[made.end() :]) if made else None
    found = _FOUND.search(path)
    if found is None:
        return None
    schema, _, name = found["name"].rpartition(".")
    return schema, name, path[found.end() :]


def repository_at(path: str) -> tuple[str, str, str] | None:
    """Schema and name of the table whose repository a path begins with, and the rest; null when with none."""
    found = _REPOSITORY.match(path)
    if found is None:
        return None
    schema, _, name = found["name"].rpartition(".")
    return schema, name, path[found.end() :]
