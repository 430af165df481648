"""Calls as they really happen: directly, through `partial`, `map`, threads and executors, and `methodcaller`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.rules.code.dynamic import constant_text
from groundwork.rules.code.module import CallSite, Module
from groundwork.rules.code.origin import FunctionOrigin, Origin
from groundwork.rules.code.resolve import Resolver
from groundwork.rules.code.scope import Scope

_MAPS = frozenset(["builtins.map", "builtins.filter", "itertools.starmap", "functools.reduce"])
_TARGETS = ("target", "func", "function", "fn", "callback", "python_callable", "callable")
_ARGUMENTS = ("args", "op_args", "arguments")
_NAMED_ARGUMENTS = ("kwargs", "op_kwargs", "kwds")
_MAP_METHODS = frozenset(["map", "imap", "imap_unordered", "starmap", "map_async", "expand"])


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """A call of `origin` with arguments by position and by name.

    `has_elements` means that each element of an argument is given in turn, `is_passed` that the function is handed to
    somebody else who calls it.
    """

    node: ast.Call
    scope: Scope
    module: Module
    origin: Origin
    positional: tuple[ast.expr, ...]
    named: dict[str, ast.expr]
    has_elements: bool = False
    is_passed: bool = False

    def argument(self, position: int | None, *names: str) -> ast.expr | None:
        """The argument at a position (from 0), else the one with one of these names."""
        for name in names:
            if name in self.named:
                return self.named[name]
        if position is None or position >= len(self.positional):
            return None
        return self.positional[position]


def invocations(site: CallSite, module: Module, resolver: Resolver) -> Iterator[Invocation]:
    """Everything that one call calls."""
    node, scope = site.node, site.place.scope
    named = {str(keyword.arg): keyword.value for keyword in node.keywords if keyword.arg}
    positional = tuple(arg for arg in node.args if not isinstance(arg, ast.Starred))
    if len(node.args) == 1 and isinstance(node.args[0], ast.Starred):
        positional = _spread(node.args[0].value, scope)
    named |= _spread_names(node, scope)
    for origin in resolver.of(node.func, scope, module):
        yield Invocation(node=node, scope=scope, module=module, origin=origin, positional=positional, named=named)
        if isinstance(origin, str):
            yield from _handed_over(origin, node, scope, module, resolver)
    yield from _method_call(node, scope, module, resolver)


def _spread(value: ast.expr, scope: Scope) -> tuple[ast.expr, ...]:
    """The arguments in `f(*given)` where they are written out."""
    if isinstance(value, ast.Name):
        bindings = scope.lookup(value.id)
        if len(bindings) == 1 and bindings[0].value is not None:
            value = bindings[0].value
    return tuple(value.elts) if isinstance(value, ast.Tuple | ast.List) else (value,)


def _spread_names(node: ast.Call, scope: Scope) -> dict[str, ast.expr]:
    """The arguments in `f(**given)` where they are written out."""
    found: dict[str, ast.expr] = {}
    for keyword in node.keywords:
        value = keyword.value
        if keyword.arg is not None:
            continue
        if isinstance(value, ast.Name):
            bindings = scope.lookup(value.id)
            value = bindings[0].value or value if len(bindings) == 1 else value
        if isinstance(value, ast.Dict):
            found |= {
                str(key.value): each
                for key, each in zip(value.keys, value.values, strict=True)
                if isinstance(key, ast.Constant)
            }
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
            found |= {str(each.arg): each.value for each in value.keywords if each.arg}
    return found


def _handed_over(path: str, node: ast.Call, scope: Scope, module: Module, resolver: Resolver) -> Iterator[Invocation]:
    """Methods that stand among the arguments of a call, with what follows them."""
    is_map = path in _MAPS or path[path.rfind(".") + 1 :] in _MAP_METHODS
    for position, value in enumerate(node.args):
        if not isinstance(value, ast.Attribute | ast.Name | ast.Call | ast.Lambda):
            continue
        rest = tuple(each for each in node.args[position + 1 :] if not isinstance(each, ast.Starred))
        if not rest and not node.keywords:
            continue
        for origin in resolver.of(value, scope, module):
            if isinstance(origin, FunctionOrigin) or (isinstance(origin, str) and _is_method(origin)):
                yield Invocation(
                    node=node,
                    scope=scope,
                    module=module,
                    origin=origin,
                    positional=rest,
                    named={str(keyword.arg): keyword.value for keyword in node.keywords if keyword.arg},
                    has_elements=is_map,
                    is_passed=True,
                )
    yield from _targets(node, scope, module, resolver)


def _targets(node: ast.Call, scope: Scope, module: Module, resolver: Resolver) -> Iterator[Invocation]:
    """Methods that are handed over by name, with their arguments: `Thread(target=…, args=…)`."""
    given = {str(keyword.arg): keyword.value for keyword in node.keywords}
    target = next((given[name] for name in _TARGETS if name in given), None)
    values = next((given[name] for name in _ARGUMENTS if name in given), None)
    named = next((given[name] for name in _NAMED_ARGUMENTS if name in given), None)
    if target is None:
        return
    keys = zip(named.keys, named.values, strict=True) if isinstance(named, ast.Dict) else ()
    for origin in resolver.of(target, scope, module):
        yield Invocation(
            node=node,
            scope=scope,
            module=module,
            origin=origin,
            positional=_spread(values, scope) if values is not None else (),
            named={str(key.value): value for key, value in keys if isinstance(key, ast.Constant)},
            is_passed=True,
        )


def _is_method(path: str) -> bool:
    return "." in path and not path.endswith((")", "]")) and not path.startswith("builtins.")


def _method_call(node: ast.Call, scope: Scope, module: Module, resolver: Resolver) -> Iterator[Invocation]:
    """`methodcaller("execute", sql)(cursor)` is `cursor.execute(sql)`; so is `attrgetter("execute")(cursor)(sql)`."""
    caller = node.func
    if isinstance(caller, ast.Name):
        bindings = scope.lookup(caller.id)
        caller = bindings[0].value or caller if len(bindings) == 1 else caller
    if not isinstance(caller, ast.Call) or not caller.args or not node.args:
        return
    kinds = resolver.of(caller.func, scope, module)
    if "operator.methodcaller" in kinds:
        name, given, target = constant_text(caller.args[0], scope, module), tuple(caller.args[1:]), node.args[0]
    elif isinstance(caller.func, ast.Call) and "operator.attrgetter" in resolver.of(caller.func.func, scope, module):
        first = caller.func.args[0] if caller.func.args else None
        name, given, target = constant_text(first, scope, module), tuple(node.args), caller.args[0]
    else:
        return
    for base in resolver.of(target, scope, module):
        for origin in resolver.member(base, name) if name else ():
            yield Invocation(node=node, scope=scope, module=module, origin=origin, positional=given, named={})
