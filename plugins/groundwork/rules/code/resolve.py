"""Follows expressions to where their values come from: names, attributes, calls, annotations, imports, base classes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from groundwork.rules.code.annotation import Annotations
from groundwork.rules.code.dynamic import DYNAMIC, constant_text, module_of
from groundwork.rules.code.guard import Guard
from groundwork.rules.code.module import CallSite, Module
from groundwork.rules.code.origin import (
    UNKNOWN,
    ClassOrigin,
    FunctionOrigin,
    InstanceOrigin,
    ModuleOrigin,
    Origin,
    Origins,
    arguments_by_name,
    limited,
    unbound_name,
)
from groundwork.rules.code.project import Project
from groundwork.rules.code.scope import Binding, Bound, Scope, visible, written

_DEEPEST = 40  # base classes above each other
_MOST_SITES = 24  # calls of one function that tell what its parameters can be


class Resolver:
    """Origins of the expressions of one project; answers are kept, so it serves many modules."""

    def __init__(self, project: Project, name_table: Callable[[str, ast.Call, Scope, Module], str | None]) -> None:
        """`name_table` may give a call of a library (path, call, scope, module) another path than `path()`."""
        self.project = project
        self._name_table = name_table
        self._known: dict[ast.AST, Origins] = {}
        self._guard = Guard()
        self._callers: dict[Module, dict[str, list[CallSite]]] = {}
        self._annotations = Annotations(self.of)

    def of(self, node: ast.expr, scope: Scope, module: Module) -> Origins:
        """Everything that the value of `node` can be; empty for values that are no things, such as numbers."""
        if node in self._known:
            return self._known[node]
        if self._guard.is_busy(node):
            return ()
        self._guard.active.add(node)
        cuts = self._guard.cuts
        try:
            found = limited(self._follow(node, scope, module))
        finally:
            self._guard.active.discard(node)
        if self._guard.may_keep(cuts):
            self._known[node] = found
        return found

    def _follow(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[Origin]:
        if isinstance(node, ast.Name):
            yield from self._name(node, scope, module)
        elif isinstance(node, ast.Attribute):
            for base in self.of(node.value, scope, module):
                yield from self.member(base, node.attr)
            yield from self._assigned(written(node), module)
        elif isinstance(node, ast.Call):
            yield from self._call(node, scope, module)
        elif isinstance(node, ast.Subscript):
            yield from self._item(node, scope, module)
        elif isinstance(node, ast.Lambda):
            yield FunctionOrigin(module, module.inner[node])
        elif isinstance(node, ast.Await | ast.Starred | ast.NamedExpr | ast.YieldFrom):
            yield from self.of(node.value, scope, module)
        elif isinstance(node, ast.IfExp):
            yield from self.of(node.body, scope, module)
            yield from self.of(node.orelse, scope, module)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self.of(value, scope, module)

    def _name(self, node: ast.Name, scope: Scope, module: Module) -> Iterator[Origin]:
        bindings = scope.lookup(node.id)
        if not bindings:
            yield from self._unbound(node.id, scope, module)
            return
        for binding in visible(bindings, scope, node.lineno, in_loop=node in module.loops):
            yield from self.bound(node.id, binding, module)

    def _unbound(self, name: str, scope: Scope, module: Module) -> Iterator[Origin]:
        stars = [star for each in (scope, scope.module()) for star in each.stars]
        for star in dict.fromkeys(stars):
            origin = self.imported(star, module)
            found = [each for each in self.member(origin, name) if isinstance(origin, ModuleOrigin)]
            if found:
                yield from (each for each in found if not _is_missing(each))
            elif isinstance(origin, str):
                yield f"{origin}.{name}"
        yield unbound_name(name)

    def bound(self, name: str, binding: Binding, module: Module) -> Iterator[Origin]:
        """What one binding of a name is worth."""
        if binding.annotation is not None:
            yield from self._annotations.instances(binding.annotation, binding.scope, module)
        if binding.bound is Bound.IMPORT:
            yield self.imported(binding.dotted, module)
        elif binding.bound is Bound.FUNCTION and isinstance(binding.node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield FunctionOrigin(module, module.inner[binding.node])
        elif binding.bound is Bound.CLASS and isinstance(binding.node, ast.ClassDef):
            yield ClassOrigin(module, module.inner[binding.node])
        elif binding.bound is Bound.PARAMETER:
            yield from self._parameter(name, binding, module)
        elif binding.value is not None:
            yield from self._bound_value(binding, binding.value, module)

    def _bound_value(self, binding: Binding, value: ast.expr, module: Module) -> Iterator[Origin]:
        if binding.bound in (Bound.VALUE, Bound.ADDED):
            yield from self.of(value, binding.scope, module)
        elif binding.bound is Bound.ENTERED:
            for origin in self.of(value, binding.scope, module):
                yield from self._entered(origin)
        elif binding.bound is Bound.ELEMENT:
            yield from self.elements(value, binding.scope, module)
        elif binding.bound is Bound.PART:
            inner = self.elements if binding.dotted == Bound.ELEMENT else self.of
            for origin in inner(value, binding.scope, module):
                yield f"{origin}[]" if isinstance(origin, str) else UNKNOWN

    def _parameter(self, name: str, binding: Binding, module: Module) -> Iterator[Origin]:
        scope = binding.scope
        owner = scope.owner
        is_method = owner is not None and binding.position == 0 and not isinstance(scope.node, ast.Lambda)
        if owner is not None and is_method and not _decorated(scope.node, "staticmethod"):
            made_by = ClassOrigin(module, owner)
            yield made_by if _decorated(scope.node, "classmethod") else InstanceOrigin(made_by)
            return
        found = False
        if binding.value is not None and not _is_none(binding.value):
            yield from self.of(binding.value, scope.parent or scope, module)
        for value, site in self.given(scope, name, module):
            for origin in self.of(value, site.place.scope, module):
                found = True
                yield origin
        if not found and binding.annotation is None:
            yield f"{UNKNOWN}{name}"

    def given(self, scope: Scope, name: str, module: Module) -> Iterator[tuple[ast.expr, CallSite]]:
        """What calls in the same module give to a parameter of the function `scope`."""
        key = (scope, name)
        called = str(getattr(scope.node, "name", ""))
        if key in self._guard.active or not called:
            self._guard.cuts += 1
            return
        if called == "__init__" and scope.owner is not None:
            called = str(getattr(scope.owner.node, "name", called))
        self._guard.active.add(key)
        try:
            for site in self._calls_of(called, module)[:_MOST_SITES]:
                call = site.node
                for origin in self.of(call.func, site.place.scope, module):
                    target = self.called(origin)
                    if target is not None and target.scope is scope:
                        value = arguments_by_name(target.node, call, is_bound=target.is_bound).get(name)
                        if value is not None:
                            yield value, site
        finally:
            self._guard.active.discard(key)

    def called(self, origin: Origin) -> FunctionOrigin | None:
        """The function of the project that runs when `origin` is called: a class runs its `__init__`."""
        if isinstance(origin, FunctionOrigin):
            return origin
        name = {ClassOrigin: "__init__", InstanceOrigin: "__call__"}.get(type(origin))
        if name is None or not isinstance(origin, ClassOrigin | InstanceOrigin):
            return None
        made_by = origin if isinstance(origin, ClassOrigin) else origin.made_by
        found = next((each for each in self.member(InstanceOrigin(made_by), name)), None)
        return found if isinstance(found, FunctionOrigin) else None

    def _calls_of(self, name: str, module: Module) -> list[CallSite]:
        if module not in self._callers:
            callers: dict[str, list[CallSite]] = {}
            for site in module.calls:
                function = site.node.func
                called = getattr(function, "id", None) or getattr(function, "attr", None)
                callers.setdefault(str(called), []).append(site)
            self._callers[module] = callers
        return self._callers[module].get(name, [])

    def imported(self, dotted: str, module: Module) -> Origin:
        """What an absolute dotted name leads to."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            found = self.project.module(".".join(parts[:end]), module)
            if found is None:
                continue
            origin: Origin = ModuleOrigin(found)
            for part in parts[end:]:
                origin = next(iter(self.member(origin, part)), dotted)
            return origin
        return dotted

    def member(self, base: Origin, name: str) -> Iterator[Origin]:
        """What the attribute `name` of something leads to."""
        if isinstance(base, str):
            yield f"{base}.{name}"
        elif isinstance(base, ModuleOrigin):
            yield from self._module_member(base.module, name)
        elif isinstance(base, ClassOrigin):
            yield from self._class_member(base, name, None, 0)
        elif isinstance(base, InstanceOrigin):
            yield from self._class_member(base.made_by, name, base, 0)
        else:
            yield f"{UNKNOWN}{name}"

    def _module_member(self, module: Module, name: str) -> Iterator[Origin]:
        key = (module, name)
        if key in self._guard.active:
            self._guard.cuts += 1
            return
        self._guard.active.add(key)
        try:
            bindings = module.scope.names.get(name)
            if bindings:
                for binding in bindings:
                    yield from self.bound(name, binding, module)
                return
            below = self.project.module(f"{module.name}.{name}", module)
            if below is not None:
                yield ModuleOrigin(below)
            else:
                yield from self._unbound(name, module.scope, module)
        finally:
            self._guard.active.discard(key)

    def _class_member(
        self, owner: ClassOrigin, name: str, instance: InstanceOrigin | None, depth: int
    ) -> Iterator[Origin]:
        bindings = [*owner.scope.names.get(name, ()), *owner.scope.attributes.get(name, ())]
        for binding in bindings:
            for origin in self.bound(name, binding, owner.module):
                if isinstance(origin, FunctionOrigin) and binding.bound is Bound.FUNCTION:
                    yield from self._method(origin, is_bound=instance is not None)
                else:
                    yield origin
        if bindings or depth > _DEEPEST:
            return
        bases = self.bases(owner)
        for base in bases:
            if isinstance(base, ClassOrigin):
                yield from self._class_member(base, name, instance, depth + 1)
            elif isinstance(base, str):
                yield f"{base}{'()' if instance else ''}.{name}"
        if not bases:
            yield f"{UNKNOWN}:{owner.node.name}.{name}"

    def bases(self, owner: ClassOrigin) -> Origins:
        """The base classes of a class of the project."""
        scope = owner.scope.parent or owner.module.scope
        every = [origin for base in owner.node.bases for origin in self.of(base, scope, owner.module)]
        return limited(origin for origin in every if origin != "builtins.object")

    def _method(self, function: FunctionOrigin, *, is_bound: bool) -> Iterator[Origin]:
        node = function.node
        if _decorated(node, "property") or _decorated(node, "cached_property"):
            yield from self.result(function)
        elif _decorated(node, "staticmethod"):
            yield function
        else:
            yield FunctionOrigin(function.module, function.scope, is_bound or _decorated(node, "classmethod"))

    def _call(self, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
        for origin in self.of(node.func, scope, module):
            if isinstance(origin, str):
                yield from self._library_call(origin, node, scope, module)
            elif isinstance(origin, ClassOrigin):
                yield InstanceOrigin(origin)
            else:
                function = self.called(origin)
                if function is not None:
                    yield from self.result(function)

    def _library_call(self, path: str, node: ast.Call, scope: Scope, module: Module) -> Iterator[Origin]:
        named = self._name_table(path, node, scope, module)
        if named is not None:
            yield named
            return
        loaded = module_of(path, node, lambda value: constant_text(value, scope, module))
        if loaded is not None:
            yield self.imported(loaded, module)
            return
        special = DYNAMIC.get(path) or DYNAMIC.get(f"*.{path.rpartition('.')[2]}")
        if special is not None and (node.args or node.keywords):
            yield from special(self, node, scope, module)
            return
        yield f"{path}()"

    def result(self, function: FunctionOrigin) -> Iterator[Origin]:
        """What a function of the project gives back: by its annotation, and by what it returns or yields."""
        scope, module = function.scope, function.module
        key = (function.scope, "result")
        if key in self._guard.active:
            self._guard.cuts += 1
            return
        self._guard.active.add(key)
        try:
            annotation = getattr(function.node, "returns", None)
            if annotation is not None:
                yield from self._annotations.instances(annotation, scope.parent or scope, module)
            for value in (*scope.returns, *scope.yields):
                yield from self.of(value, scope, module)
        finally:
            self._guard.active.discard(key)

    def _entered(self, origin: Origin) -> Iterator[Origin]:
        if not isinstance(origin, InstanceOrigin):
            yield origin
            return
        enters = [*self.member(origin, "__enter__"), *self.member(origin, "__aenter__")]
        functions = [each for each in enters if isinstance(each, FunctionOrigin)]
        if not functions:
            yield origin
        for function in functions:
            yield from self.result(function)

    def _item(self, node: ast.Subscript, scope: Scope, module: Module) -> Iterator[Origin]:
        key = constant_text(node.slice, scope, module)
        for base in self.of(node.value, scope, module):
            if base == "sys.modules" and key:
                yield self.imported(key, module)
            elif base in ("builtins.globals()", "builtins.locals()", "builtins.vars()") and key:
                yield from self._name(ast.copy_location(ast.Name(id=key, ctx=ast.Load()), node), scope, module)
            elif isinstance(base, str):
                yield f"{base}[{key!r}]" if key is not None else f"{base}[]"
            elif isinstance(base, ClassOrigin):
                yield base
            elif isinstance(base, InstanceOrigin):
                for found in self.member(base, "__getitem__"):
                    if isinstance(found, FunctionOrigin):
                        yield from self.result(found)
        yield from self.elements(node.value, scope, module, key=key)

    def elements(self, node: ast.expr, scope: Scope, module: Module, *, key: str | None = None) -> Iterator[Origin]:
        """What iterating over a value gives; with `key` what stands there in a mapping that is written out."""
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for each in node.elts:
                yield from self.of(each, scope, module)
        elif isinstance(node, ast.Dict):
            for name, value in zip(node.keys, node.values, strict=True):
                if key is None or name is None or constant_text(name, scope, module) in (key, None):
                    yield from self.of(value, scope, module)
        elif isinstance(node, ast.Name):
            for binding in scope.lookup(node.id):
                if (
                    binding.bound is Bound.VALUE
                    and binding.value is not None
                    and (node.id, "in") not in self._guard.active
                ):
                    self._guard.active.add((node.id, "in"))
                    yield from self.elements(binding.value, binding.scope, module, key=key)
                    self._guard.active.discard((node.id, "in"))
            yield from self._assigned(f"{node.id}[]", module)
        if key is None and not isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            yield from (f"{base}[]" for base in self.of(node, scope, module) if isinstance(base, str))

    def _assigned(self, target: str | None, module: Module) -> Iterator[Origin]:
        """What is assigned elsewhere in the module to an attribute or an item written the same way."""
        for binding in module.assigned.get(target, ()) if target else ():
            yield from self.bound(str(target), binding, module)


def _decorated(node: ast.AST, name: str) -> bool:
    decorators = getattr(node, "decorator_list", ())
    return any((getattr(each, "id", None) or getattr(each, "attr", None)) == name for each in decorators)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_missing(origin: Origin) -> bool:
    return isinstance(origin, str) and origin.startswith((UNKNOWN, "builtins."))
