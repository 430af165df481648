"""One Python file, parsed and indexed: scopes, calls with the scope they stand in, imports, attribute assignments."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from groundwork.rules.code.scope import Binding, Bound, FunctionNode, Place, Scope, is_branch, is_loop, written

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, eq=False)
class CallSite:
    """A call and where it stands."""

    node: ast.Call
    place: Place


@dataclass(frozen=True, eq=False)
class ImportSite:
    """An import and where it stands."""

    node: ast.Import | ast.ImportFrom
    place: Place


@dataclass(frozen=True, eq=False)
class MemberSite:
    """An attribute or an item of something, and where it stands."""

    node: ast.Attribute | ast.Subscript
    place: Place


@dataclass(eq=False)
class Module:
    """A parsed file. `name` is its dotted name, `package` the one that relative imports start from."""

    name: str
    package: str
    path: str
    source: str
    tree: ast.Module
    scope: Scope
    inner: dict[ast.AST, Scope] = field(default_factory=dict)
    calls: list[CallSite] = field(default_factory=list)
    imports: list[ImportSite] = field(default_factory=list)
    members: list[MemberSite] = field(default_factory=list)
    classes: list[Scope] = field(default_factory=list)
    assigned: dict[str, list[Binding]] = field(default_factory=dict)
    loops: dict[ast.AST, bool] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The dotted name of the module that a `from` imports from."""
        if not node.level:
            return node.module or ""
        parts = self.package.split(".") if self.package else []
        kept = parts[: len(parts) - (node.level - 1)]
        if len(kept) < 1 and node.level > len(parts) + 1:
            return f"?.{node.module or ''}"
        return ".".join([*(kept or ["?"]), *([node.module] if node.module else [])])


def parse_module(source: str, *, path: str = "<text>", name: str = "", is_package: bool = False) -> Module:
    """The module that `source` is. Raises: SyntaxError, ValueError (a NUL), RecursionError as `ast.parse` does."""
    tree = ast.parse(source, filename=path)
    package = name if is_package else name.rpartition(".")[0]
    module = Module(name=name, package=package, path=path, source=source, tree=tree, scope=Scope(tree, None))
    builder = _Builder(module)
    place = Place(scope=module.scope)
    for statement in tree.body:
        builder.visit(statement, place)
    return module


class _Builder:
    """Walks a tree once and fills a module. Functions are walked like everything else: all code is looked at."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def visit(self, node: ast.AST, place: Place) -> None:
        """Index `node` and what is below it."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is not None:
            method(node, place)
            return
        inside = place
        if is_branch(node):
            inside = replace(place, is_certain=False, in_loop=place.in_loop or is_loop(node))
        self._children(node, inside)

    def _children(self, node: ast.AST, place: Place) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child, place)

    def _all(self, nodes: list[ast.stmt] | list[ast.expr] | list[ast.keyword], place: Place) -> None:
        for node in nodes:
            self.visit(node, place)

    def _bind(self, target: ast.AST, place: Place, bound: Bound, value: ast.expr | None, **more: object) -> None:
        """Bind what a target names: a name, an attribute, a subscript, or parts of something unpacked."""
        if isinstance(target, ast.Starred):
            target = target.value
        if isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, place, bound, value)
            return
        scope = place.scope
        made = Binding(
            bound,
            scope,
            getattr(target, "lineno", 0),
            place.is_certain and not place.in_loop,
            value,
            **more,  # type: ignore[arg-type]
        )
        if isinstance(target, ast.Name):
            scope = scope.module() if target.id in scope.module_names else scope
            scope.names.setdefault(target.id, []).append(made)
        elif isinstance(target, ast.Attribute):
            self._bind_attribute(target, place, made)
            self.visit(target.value, place)
        elif isinstance(target, ast.Subscript):
            self.module.assigned.setdefault(f"{written(target.value)}[]", []).append(made)
            self._children(target, place)

    def _bind_attribute(self, target: ast.Attribute, place: Place, made: Binding) -> None:
        function = place.scope.function()
        owner = function.owner if function else None
        arguments = getattr(function.node, "args", None) if function else None
        first = (arguments.posonlyargs + arguments.args)[:1] if arguments else []
        if owner is not None and first and isinstance(target.value, ast.Name) and target.value.id == first[0].arg:
            owner.attributes.setdefault(target.attr, []).append(made)
        else:
            self.module.assigned.setdefault(str(written(target)), []).append(made)

    def _unpack(self, target: ast.Tuple | ast.List, place: Place, bound: Bound, value: ast.expr | None) -> None:
        given = value.elts if isinstance(value, ast.Tuple | ast.List) and bound is Bound.VALUE else None
        if given is not None and len(given) == len(target.elts):
            for each, part in zip(target.elts, given, strict=True):
                self._bind(each, place, bound, part)
            return
        for position, each in enumerate(target.elts):
            self._bind(each, place, Bound.PART, value, position=position, dotted=bound.value)

    def _assign(self, node: ast.Assign, place: Place) -> None:
        self.visit(node.value, place)
        for target in node.targets:
            self._bind(target, place, Bound.VALUE, node.value)

    def _annassign(self, node: ast.AnnAssign, place: Place) -> None:
        if node.value is not None:
            self.visit(node.value, place)
        bound = Bound.VALUE if node.value is not None else Bound.DECLARED
        self._bind(node.target, place, bound, node.value, annotation=node.annotation)

    def _augassign(self, node: ast.AugAssign, place: Place) -> None:
        self.visit(node.value, place)
        if isinstance(node.op, ast.Add):
            self._bind(node.target, place, Bound.ADDED, node.value)

    def _namedexpr(self, node: ast.NamedExpr, place: Place) -> None:
        self.visit(node.value, place)
        scope = place.scope
        while isinstance(scope.node, COMPREHENSIONS) and scope.parent is not None:
            scope = scope.parent  # a walrus inside of a comprehension binds around it
        self._bind(node.target, replace(place, scope=scope, is_certain=False), Bound.VALUE, node.value)

    def _for(self, node: ast.For | ast.AsyncFor, place: Place) -> None:
        self.visit(node.iter, place)
        inside = replace(place, is_certain=False, in_loop=True)
        self._bind(node.target, inside, Bound.ELEMENT, node.iter)
        self._all(node.body, inside)
        self._all(node.orelse, inside)

    _asyncfor = _for

    def _with(self, node: ast.With | ast.AsyncWith, place: Place) -> None:
        for item in node.items:
            self.visit(item.context_expr, place)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, place, Bound.ENTERED, item.context_expr)
        self._all(node.body, place)

    _asyncwith = _with

    def _if(self, node: ast.If, place: Place) -> None:
        self.visit(node.test, place)
        inside = replace(place, is_certain=False)
        is_typing = isinstance(node.test, ast.Name | ast.Attribute) and _last(node.test) == "TYPE_CHECKING"
        self._all(node.body, replace(inside, is_typing_only=is_typing or place.is_typing_only))
        self._all(node.orelse, inside)

    def _global(self, node: ast.Global, place: Place) -> None:
        place.scope.module_names.update(node.names)

    def _nonlocal(self, node: ast.Nonlocal, place: Place) -> None:
        place.scope.outer.update(node.names)

    def _import(self, node: ast.Import, place: Place) -> None:
        self.module.imports.append(ImportSite(node, place))
        for alias in node.names:
            root = alias.name.partition(".")[0]
            self.module.roots.add(root)
            self._bind_import(alias.asname or root, alias.name if alias.asname else root, node, place)

    def _importfrom(self, node: ast.ImportFrom, place: Place) -> None:
        self.module.imports.append(ImportSite(node, place))
        source = self.module.absolute(node)
        self.module.roots.add(source.partition(".")[0])
        for alias in node.names:
            if alias.name == "*":
                place.scope.stars.append(source)
            else:
                self._bind_import(alias.asname or alias.name, f"{source}.{alias.name}", node, place)

    def _bind_import(self, name: str, dotted: str, node: ast.stmt, place: Place) -> None:
        target = ast.copy_location(ast.Name(id=name, ctx=ast.Store()), node)
        self._bind(target, place, Bound.IMPORT, None, dotted=dotted, is_typing_only=place.is_typing_only)

    def _functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, place: Place) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator, place)
        name = ast.copy_location(ast.Name(id=node.name, ctx=ast.Store()), node)
        self._bind(name, place, Bound.FUNCTION, None, node=node)
        scope = self._parameters(node, place)
        for statement in node.body:
            self.visit(statement, Place(scope=scope, is_typing_only=place.is_typing_only))

    _asyncfunctiondef = _functiondef

    def _lambda(self, node: ast.Lambda, place: Place) -> None:
        scope = self._parameters(node, place)
        scope.returns.append(node.body)
        self.visit(node.body, replace(place, scope=scope))

    def _parameters(self, node: FunctionNode, place: Place) -> Scope:
        owner = place.scope if place.scope.is_class else None
        scope = Scope(node, place.scope, owner=owner)
        self.module.inner[node] = scope
        given = node.args
        plain = [*given.posonlyargs, *given.args]
        defaults: list[ast.expr | None] = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
        every = [*zip(plain, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        every += [(extra, None) for extra in (given.vararg, given.kwarg) if extra is not None]
        for position, (argument, default) in enumerate(every):
            if default is not None:
                self.visit(default, place)
            is_plain = argument is not given.vararg and argument is not given.kwarg
            scope.names[argument.arg] = [
                Binding(
                    Bound.PARAMETER,
                    scope,
                    argument.lineno,
                    True,
                    default,
                    annotation=argument.annotation,
                    node=node,
                    dotted=argument.arg,
                    position=position if is_plain else None,
                )
            ]
        return scope

    def _classdef(self, node: ast.ClassDef, place: Place) -> None:
        for each in (*node.decorator_list, *node.bases):
            self.visit(each, place)
        self._all(node.keywords, place)
        name = ast.copy_location(ast.Name(id=node.name, ctx=ast.Store()), node)
        self._bind(name, place, Bound.CLASS, None, node=node)
        scope = Scope(node, place.scope)
        self.module.inner[node] = scope
        self.module.classes.append(scope)
        for statement in node.body:
            self.visit(statement, Place(scope=scope, is_typing_only=place.is_typing_only))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, place: Place) -> None:
        scope = Scope(node, place.scope)
        self.module.inner[node] = scope
        inside = replace(place, scope=scope, is_certain=False, in_loop=True)
        for generator in node.generators:
            self.visit(generator.iter, inside)
            self._bind(generator.target, inside, Bound.ELEMENT, generator.iter)
            self._all(generator.ifs, inside)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part, inside)

    _listcomp = _setcomp = _dictcomp = _generatorexp = _comprehension

    def _return(self, node: ast.Return, place: Place) -> None:
        function = place.scope.function()
        if node.value is not None:
            if function is not None:
                function.returns.append(node.value)
            self.visit(node.value, place)

    def _yield(self, node: ast.Yield, place: Place) -> None:
        function = place.scope.function()
        if node.value is not None:
            if function is not None:
                function.yields.append(node.value)
            self.visit(node.value, place)

    def _call(self, node: ast.Call, place: Place) -> None:
        self.module.calls.append(CallSite(node, place))
        self._children(node, place)

    def _attribute(self, node: ast.Attribute, place: Place) -> None:
        self.module.members.append(MemberSite(node, place))
        self.visit(node.value, place)

    def _subscript(self, node: ast.Subscript, place: Place) -> None:
        self.module.members.append(MemberSite(node, place))
        self._children(node, place)

    def _name(self, node: ast.Name, place: Place) -> None:
        if place.in_loop:
            self.module.loops[node] = True

    def _excepthandler(self, node: ast.ExceptHandler, place: Place) -> None:
        if node.name:
            target = ast.copy_location(ast.Name(id=node.name, ctx=ast.Store()), node)
            self._bind(target, place, Bound.OTHER, None)
        self._children(node, place)

    def _matchas(self, node: ast.MatchAs, place: Place) -> None:
        if node.name:
            target = ast.copy_location(ast.Name(id=node.name, ctx=ast.Store()), node)
            self._bind(target, place, Bound.OTHER, None)
        self._children(node, place)


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr
