"""Detours to a value that Python offers: `getattr`, imports by name, `partial`, casts, and things that pass through."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from groundwork.rules.code.scope import Bound

if TYPE_CHECKING:
    from groundwork.rules.code.module import Module
    from groundwork.rules.code.origin import Origin
    from groundwork.rules.code.scope import Scope

_IMPORTERS = frozenset(
    [
        "importlib.import_module", "importlib.__import__", "builtins.__import__", "pkgutil.resolve_name",
        "pydoc.locate", "airflow.utils.module_loading.import_string",
        "airflow.sdk._shared.module_loading.import_string", "django.utils.module_loading.import_string",
        "werkzeug.utils.import_string", "pytest.importorskip",
    ]
)  # fmt: skip
_DEEPEST = 12


class Follows(Protocol):
    """Who follows expressions to where their values come from: what detours need of the resolver that takes them."""

    def of(self, node: ast.expr, scope: Scope, module: Module) -> tuple[Origin, ...]:
        """Where the value of an expression may come from."""

    def elements(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[Origin]:
        """Where the elements of a container may come from."""

    def member(self, base: Origin, name: str) -> Iterator[Origin]:
        """Where an attribute of what comes from `base` may come from."""


def module_of(path: str, node: ast.Call, text_of: Callable[[ast.expr], str | None]) -> str | None:
    """The dotted name that a call imports by its name, null when it is no such call."""
    if path not in _IMPORTERS:
        return None
    given = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg in ("name", "path")), None)
    name = text_of(given) if given is not None else None
    if name is None:
        return None
    dotted = name.replace(":", ".").strip()
    return dotted.partition(".")[0] if path == "builtins.__import__" and not _has_from(node) else dotted


def _has_from(node: ast.Call) -> bool:
    return len(node.args) > 3 or any(keyword.arg == "fromlist" for keyword in node.keywords)


def constant_text(node: ast.expr | None, scope: Scope, module: Module, depth: int = 0) -> str | None:
    """The one string that an expression surely is: a constant, a name bound to one, or such ones added up."""
    if node is None or depth > _DEEPEST:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left = constant_text(node.left, scope, module, depth + 1)
        right = constant_text(node.right, scope, module, depth + 1)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.JoinedStr):
        parts = [
            constant_text(part.value if isinstance(part, ast.FormattedValue) else part, scope, module, depth + 1)
            for part in node.values
        ]
        return None if any(part is None for part in parts) else "".join(str(part) for part in parts)
    if isinstance(node, ast.Name):
        bindings = scope.lookup(node.id)
        if len(bindings) == 1 and bindings[0].bound is Bound.VALUE:
            return constant_text(bindings[0].value, bindings[0].scope, module, depth + 1)
    return _joined_text(node, scope, module, depth)


def _joined_text(node: ast.expr, scope: Scope, module: Module, depth: int) -> str | None:
    """What `"".join([...])` of constants gives."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "join"):
        return None
    glue = constant_text(node.func.value, scope, module, depth + 1)
    if glue is None or len(node.args) != 1 or not isinstance(node.args[0], ast.List | ast.Tuple):
        return None
    parts = [constant_text(part, scope, module, depth + 1) for part in node.args[0].elts]
    return None if any(part is None for part in parts) else glue.join(str(part) for part in parts)


def _getattr(resolver: Follows, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
    name = constant_text(node.args[1], scope, module) if len(node.args) > 1 else None
    for base in resolver.of(node.args[0], scope, module):
        if name is not None:
            yield from resolver.member(base, name)
        elif isinstance(base, str):
            yield f"{base}.?"


def _first(resolver: Follows, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
    value = node.args[0] if node.args else node.keywords[0].value
    yield from resolver.of(value, scope, module)


def _second(resolver: Follows, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
    for value in node.args[1:2]:
        yield from resolver.of(value, scope, module)


def _cast(resolver: Follows, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
    for value in node.args[:1]:
        for origin in resolver.of(value, scope, module):
            yield f"{origin}()" if isinstance(origin, str) else origin
    yield from _second(resolver, node, scope, module)


def _element(resolver: Follows, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
    for value in node.args[:1]:
        yield from resolver.elements(value, scope, module)
        yield from resolver.of(value, scope, module)


def _type_of(resolver: Follows, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
    """`type(x).execute(x, …)` is told as `x.execute`: what matters is whose method it is."""
    yield from resolver.of(node.args[0], scope, module)


Detour = Callable[["Follows", ast.Call, "Scope", "Module"], "Iterator[Origin]"]
DYNAMIC: dict[str, Detour] = {
    "builtins.getattr": _getattr,
    "builtins.iter": _first,
    "builtins.next": _element,
    "builtins.type": _type_of,
    "typing.cast": _cast,
    "functools.partial": _first,
    "functools.cache": _first,
    "functools.lru_cache": _first,
    "contextlib.closing": _first,
    "contextlib.aclosing": _first,
    "contextlib.nullcontext": _first,
    "copy.copy": _first,
    "asyncio.run": _first,
    "asyncio.wait_for": _first,
    "asyncio.shield": _first,
    "asyncio.create_task": _first,
    "weakref.proxy": _first,
    "*.enter_context": _first,
    "*.enter_async_context": _first,
    "*.run_until_complete": _first,
}
