"""Texts inside of lists, tuples, dictionaries and what gives their elements, in order where it is known."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Protocol

from groundwork.rules.code.guard import Guard
from groundwork.rules.code.module import CallSite, Module
from groundwork.rules.code.origin import ClassOrigin, InstanceOrigin, ModuleOrigin
from groundwork.rules.code.scope import Binding, Bound, Scope
from groundwork.rules.code.text import Text

if TYPE_CHECKING:
    from groundwork.rules.code.resolve import Resolver

_GROWING = frozenset(["append", "extend", "insert", "add"])
_PASS_THROUGH = frozenset(  # functions whose elements are those of what they are given
    ["list", "tuple", "set", "sorted", "reversed", "enumerate", "iter", "zip", "chain", "cycle", "islice", "filter",
     "parse", "frozenset", "dict", "MappingProxyType"]
)  # fmt: skip


class Texts(Protocol):
    """Who reads the texts of expressions: what containers need of the strings that read them."""

    def of(self, node: ast.expr, scope: Scope, module: Module) -> tuple[Text, ...]:
        """What an expression may be as a text."""

    def bound(self, name: str, bindings: Sequence[Binding], module: Module) -> Iterator[Text]:
        """What a name may be as a text."""


class Containers:
    """Reads containers with the help of `strings`, whose guard against circles it shares."""

    def __init__(self, strings: Texts, resolver: Resolver, guard: Guard) -> None:
        self._strings = strings
        self._resolver = resolver
        self._guard = guard
        self._grown: dict[Module, dict[tuple[Scope, str], list[CallSite]]] = {}

    def sequences(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[list[tuple[Text, ...]]]:
        """The elements of a list in order, with what is appended to it further down."""
        if isinstance(node, ast.List | ast.Tuple):
            yield [self._strings.of(each, scope, module) for each in node.elts]
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            yield [self._strings.of(node.elt, module.inner[node], module)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            for left, right in product(
                self.sequences(node.left, scope, module), self.sequences(node.right, scope, module)
            ):
                yield left + right
        elif isinstance(node, ast.Name):
            for binding in scope.lookup(node.id):
                if (
                    binding.bound is Bound.VALUE
                    and binding.value is not None
                    and (node.id, "list") not in self._guard.active
                ):
                    self._guard.active.add((node.id, "list"))
                    for sequence in self.sequences(binding.value, binding.scope, module):
                        yield [*sequence, *self._appended(node.id, binding.scope, module)]
                    self._guard.active.discard((node.id, "list"))
        elif isinstance(node, ast.Call):
            for origin in self._resolver.of(node.func, scope, module):
                called = self._resolver.called(origin)
                for value in called.scope.returns if called else ():
                    yield from self.sequences(value, called.scope, called.module) if called else ()

    def _appended(self, name: str, scope: Scope, module: Module) -> Iterator[tuple[Text, ...]]:
        for site in self._growth(module).get((scope, name), ()):
            value = site.node.args[-1]
            if isinstance(value, ast.List | ast.Tuple):
                yield from (self._strings.of(each, site.place.scope, module) for each in value.elts)
            else:
                yield self._strings.of(value, site.place.scope, module)
        for binding in scope.names.get(name, ()):
            if binding.bound is Bound.ADDED and isinstance(binding.value, ast.List | ast.Tuple):
                yield from (self._strings.of(each, scope, module) for each in binding.value.elts)

    def _growth(self, module: Module) -> dict[tuple[Scope, str], list[CallSite]]:
        """The calls that add to each list of a module, by the scope and the name of the list, in order of lines."""
        if module not in self._grown:
            grown: dict[tuple[Scope, str], list[CallSite]] = {}
            for site in module.calls:
                function = site.node.func
                if not (isinstance(function, ast.Attribute) and function.attr in _GROWING and site.node.args):
                    continue
                if isinstance(function.value, ast.Name):
                    for binding in site.place.scope.lookup(function.value.id)[:1]:
                        grown.setdefault((binding.scope, function.value.id), []).append(site)
            self._grown[module] = grown
        return self._grown[module]

    def elements(self, node: ast.expr, scope: Scope, module: Module, *, key: object = None) -> Iterator[Text]:
        """The texts that stand in a container; with `key` those that stand there under it."""
        if isinstance(node, ast.Dict):
            for name, value in zip(node.keys, node.values, strict=True):
                if key is None or not isinstance(name, ast.Constant) or name.value == key:
                    yield from self._strings.of(value, scope, module)
        elif isinstance(node, ast.List | ast.Tuple | ast.Set):
            for position, each in enumerate(node.elts):
                if not isinstance(key, int) or key in (position, position - len(node.elts)):
                    yield from self._strings.of(each, scope, module)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            yield from self._strings.of(node.elt, module.inner[node], module)
        elif isinstance(node, ast.DictComp):
            yield from self._strings.of(node.value, module.inner[node], module)
        elif isinstance(node, ast.Call):
            yield from self._called_elements(node, scope, module)
        else:
            yield from self._named_elements(node, scope, module, key)

    def _called_elements(self, node: ast.Call, scope: Scope, module: Module) -> Iterator[Text]:
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr in ("values", "items", "copy"):
            yield from self.elements(function.value, scope, module)
        elif isinstance(function, ast.Attribute) and function.attr in ("split", "splitlines", "partition"):
            yield from self._strings.of(function.value, scope, module)
        elif getattr(function, "id", getattr(function, "attr", "")) in _PASS_THROUGH:
            for each in node.args:
                yield from self.elements(each, scope, module)
            yield from (text for keyword in node.keywords for text in self._strings.of(keyword.value, scope, module))
        else:
            for origin in self._resolver.of(function, scope, module):
                called = self._resolver.called(origin)
                if called is not None:
                    for value in (*called.scope.returns, *called.scope.yields):
                        yield from self.elements(value, called.scope, called.module)
                        yield from self._strings.of(value, called.scope, called.module)

    def _named_elements(self, node: ast.expr, scope: Scope, module: Module, key: object) -> Iterator[Text]:
        """Elements of a container that has a name here, in a class or in another module."""
        if (node, "elements") in self._guard.active:
            self._guard.cuts += 1
            return
        self._guard.active.add((node, "elements"))
        try:
            for binding, where in self._containers(node, scope, module):
                if binding.value is not None and binding.bound in (Bound.VALUE, Bound.ADDED):
                    yield from self.elements(binding.value, binding.scope, where, key=key)
                if isinstance(node, ast.Name):
                    yield from (text for texts in self._appended(node.id, binding.scope, where) for text in texts)
                if binding.bound is Bound.CLASS and isinstance(binding.node, ast.ClassDef):  # members of an enum
                    names = where.inner[binding.node].names
                    yield from (text for name in names for text in self._strings.bound(name, names[name], where))
        finally:
            self._guard.active.discard((node, "elements"))

    def _containers(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[tuple[Binding, Module]]:
        if isinstance(node, ast.Name):
            for binding in scope.lookup(node.id):
                if binding.bound is Bound.IMPORT:
                    source, _, name = binding.dotted.rpartition(".")
                    found = self._resolver.imported(source, module) if source else ""
                    if isinstance(found, ModuleOrigin):
                        yield from ((each, found.module) for each in found.module.scope.names.get(name, ()))
                else:
                    yield binding, module
        elif isinstance(node, ast.Attribute):
            for base in self._resolver.of(node.value, scope, module):
                if isinstance(base, ModuleOrigin):
                    yield from ((each, base.module) for each in base.module.scope.names.get(node.attr, ()))
                elif isinstance(base, ClassOrigin | InstanceOrigin):
                    owner = base if isinstance(base, ClassOrigin) else base.made_by
                    for names in (owner.scope.names, owner.scope.attributes):
                        yield from ((each, owner.module) for each in names.get(node.attr, ()))
