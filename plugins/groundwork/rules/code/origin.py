"""Where a value comes from, told without running anything.

A value of a library is a path: `psycopg.connect().cursor().execute` is what three calls and two dots lead to. A value
whose beginning nobody knows starts with a question mark: `?cursor.execute`. What the project itself defines is a
reference to the definition, so that its annotations, results and base classes can be followed.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from groundwork.rules.code.module import Module
from groundwork.rules.code.scope import FunctionNode, Scope

_BUILTINS = frozenset(dir(builtins))
UNKNOWN = "?"


@dataclass(frozen=True)
class ModuleOrigin:
    """A module of the project."""

    module: Module


@dataclass(frozen=True)
class ClassOrigin:
    """A class of the project."""

    module: Module
    scope: Scope

    @property
    def node(self) -> ast.ClassDef:
        """Its definition."""
        return cast("ast.ClassDef", self.scope.node)


@dataclass(frozen=True)
class InstanceOrigin:
    """An instance of a class of the project."""

    made_by: ClassOrigin


@dataclass(frozen=True)
class FunctionOrigin:
    """A function of the project; `is_bound` means that its first parameter is given already."""

    module: Module
    scope: Scope
    is_bound: bool = False

    @property
    def node(self) -> FunctionNode:
        """Its definition."""
        return cast("FunctionNode", self.scope.node)


Origin = str | ModuleOrigin | ClassOrigin | InstanceOrigin | FunctionOrigin
Origins = tuple[Origin, ...]
MOST = 12  # possible origins of one value that are followed


def paths(origins: Origins) -> Iterator[str]:
    """The paths among origins."""
    return (origin for origin in origins if isinstance(origin, str))


def limited(origins: Iterable[Origin]) -> Origins:
    """Each origin once, in order, not too many of them."""
    found: dict[Origin, None] = {}
    for origin in origins:
        found.setdefault(origin)
        if len(found) >= MOST:
            break
    return tuple(found)


def unbound_name(name: str) -> str:
    """The path of a name that nothing in a module binds."""
    return f"builtins.{name}" if name in _BUILTINS else f"{UNKNOWN}{name}"


def last_name(path: str) -> str:
    """The last name of a path, without calls and keys behind it: `x().cursor()` is `cursor`."""
    end = len(path)
    while end and path[end - 1] in ")]":
        closing, opening = path[end - 1], "(" if path[end - 1] == ")" else "["
        start = path.rfind(opening, 0, end)
        if start < 0 or closing not in ")]":
            break
        end = start
    bare = path[:end]
    return bare[max(bare.rfind("."), bare.rfind(UNKNOWN), bare.rfind(":"), bare.rfind("]")) + 1 :]


def parameters(node: FunctionNode, *, is_bound: bool = False) -> list[str]:
    """Names of the parameters that arguments by position fill, in order."""
    given = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return given[1:] if is_bound else given


def arguments_by_name(
    node: FunctionNode, call: ast.Call, *, is_bound: bool = False, given: list[ast.expr] | None = None
) -> dict[str, ast.expr]:
    """What a call gives to each parameter, as far as it can be told; `given` are its arguments by position."""
    names = parameters(node, is_bound=is_bound)
    found: dict[str, ast.expr] = {}
    for position, value in enumerate(call.args if given is None else given):
        if isinstance(value, ast.Starred):
            break
        if position < len(names):
            found[names[position]] = value
        elif node.args.vararg is not None:
            found.setdefault(node.args.vararg.arg, value)
    known = {*names, *(argument.arg for argument in node.args.kwonlyargs)}
    for keyword in call.keywords:
        if keyword.arg in known:
            found[str(keyword.arg)] = keyword.value
    return found


def field_names(scope: Scope) -> list[str]:
    """Annotated fields of a class in order: the parameters of a dataclass or a named tuple."""
    return [
        statement.target.id
        for statement in cast("ast.ClassDef", scope.node).body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
