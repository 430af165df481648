"""The scopes of a module and what each name in them is bound to, as Python's own rules have it.

Owns names; what a bound expression is worth is the business of `origin` (things) and `text` (strings).
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_BRANCHES = (*_LOOPS, ast.If, ast.Try, ast.TryStar, ast.Match)


class Bound(StrEnum):
    """How a name gets its value."""

    VALUE = "value"
    ENTERED = "entered"  # with … as name
    ELEMENT = "element"  # for name in …
    PART = "part"  # first, name = …
    ADDED = "added"  # name += …
    DECLARED = "declared"  # name: Type
    PARAMETER = "parameter"
    FUNCTION = "function"
    CLASS = "class"
    IMPORT = "import"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Binding:
    """One way a name gets a value. `position` is the index of a part in what is unpacked, or of a parameter.

    `is_certain` means that it happens whenever its scope runs, in the order of lines.
    """

    bound: Bound
    scope: Scope
    line: int
    is_certain: bool
    value: ast.expr | None = None
    annotation: ast.expr | None = None
    node: ast.AST | None = None
    dotted: str = ""
    position: int | None = None
    is_typing_only: bool = False


@dataclass(eq=False)
class Scope:
    """A module, class, function or comprehension; `owner` is the class that a function is a method of."""

    node: ast.AST
    parent: Scope | None
    owner: Scope | None = None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)
    module_names: set[str] = field(default_factory=set)
    attributes: dict[str, list[Binding]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    returns: list[ast.expr] = field(default_factory=list)
    yields: list[ast.expr] = field(default_factory=list)

    @property
    def is_class(self) -> bool:
        """Whether it is the body of a class."""
        return isinstance(self.node, ast.ClassDef)

    @property
    def is_function(self) -> bool:
        """Whether it is the body of a function or lambda."""
        return isinstance(self.node, FunctionNode)

    def lookup(self, name: str) -> list[Binding]:
        """What `name` is bound to where code of this scope uses it; empty when nothing in the module binds it."""
        scope: Scope | None = self
        is_first = True
        while scope is not None:
            if name in scope.module_names:
                return scope.module().names.get(name, [])
            if name in scope.names and name not in scope.outer and (is_first or not scope.is_class):
                return scope.names[name]
            scope, is_first = scope.parent, False
        return []

    def module(self) -> Scope:
        """The scope of the whole module."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def function(self) -> Scope | None:
        """The nearest function around, itself included."""
        scope: Scope | None = self
        while scope is not None and not scope.is_function:
            scope = scope.parent
        return scope


def written(node: ast.AST) -> str | None:
    """A name with its dots as it is written (`self.cursor`), null for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def visible(bindings: Sequence[Binding], scope: Scope, line: int, *, in_loop: bool) -> list[Binding]:
    """The bindings that a use in `line` of `scope` can see: behind the last one that surely happened before it."""
    own = [binding for binding in bindings if binding.scope is scope]
    if len(own) != len(bindings) or in_loop or scope.is_class:
        return list(bindings)
    before = [binding for binding in own if binding.line <= line]
    if not before:
        return list(bindings)
    start = max((i for i, binding in enumerate(before) if binding.is_certain and not _adds(binding)), default=0)
    return before[start:]


def _adds(binding: Binding) -> bool:
    return binding.bound is Bound.ADDED


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a statement stands: its scope and whether it is inside a branch, a loop or typing only."""

    scope: Scope
    is_certain: bool = True
    in_loop: bool = False
    is_typing_only: bool = False


def is_branch(node: ast.AST) -> bool:
    """Whether what is inside of a statement may not run, or may run more than once."""
    return isinstance(node, _BRANCHES)


def is_loop(node: ast.AST) -> bool:
    """Whether what is inside of a statement may run more than once."""
    return isinstance(node, _LOOPS)
