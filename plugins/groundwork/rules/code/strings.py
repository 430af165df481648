"""Reads the texts of expressions: which strings a value can be (see `text`)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from groundwork.rules.code.containers import Containers
from groundwork.rules.code.formatting import Piece, braces_parts, percent_parts
from groundwork.rules.code.guard import Guard
from groundwork.rules.code.module import Module
from groundwork.rules.code.origin import ClassOrigin, FunctionOrigin, InstanceOrigin, ModuleOrigin, field_names
from groundwork.rules.code.resolve import Resolver
from groundwork.rules.code.scope import Binding, Bound, Scope, visible, written
from groundwork.rules.code.text import MOST, Gap, Text, constant, gap_text, joined, once

_DEEPEST = 30
_SAME = frozenset(  # methods and functions that leave what a text says as it is
    [
        "strip", "lstrip", "rstrip", "lower", "upper", "encode", "decode", "dedent", "cleandoc", "indent", "expandtabs",
        "removesuffix", "removeprefix", "translate", "casefold", "replace", "as_string", "bindparams", "columns",
        "execution_options", "options", "safe_substitute", "substitute", "sub", "render", "from_string", "unescape",
    ]
)  # fmt: skip
_FUNCTIONS = frozenset(  # … of which these take the text as their first argument
    ["textwrap.dedent", "textwrap.indent", "inspect.cleandoc", "builtins.str", "builtins.bytes", "string.Template",
     "jinja2.Template", "sys.intern", "html.unescape", "builtins.format", "typing.cast"]
)  # fmt: skip
_READERS = frozenset(
    ["read_text", "read", "read_bytes", "readlines", "get_data", "read_file", "get_source", "open_text"]
)


class Strings:
    """Texts of the expressions of one project; `markers` are library functions that mark a text as SQL."""

    def __init__(self, resolver: Resolver, markers: frozenset[str]) -> None:
        self._resolver = resolver
        self._markers = markers
        self._guard = Guard()
        self._known: dict[ast.AST, tuple[Text, ...]] = {}
        self._containers = Containers(self, resolver, self._guard)
        self._readers: dict[type[ast.expr], Callable[[Any, Scope, Module], Iterator[Text]]] = {
            ast.Constant: self._constant,
            ast.JoinedStr: self._f_string,
            ast.BinOp: self._operation,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._item,
            ast.Call: self._call,
        }

    def of(self, node: ast.expr, scope: Scope, module: Module) -> tuple[Text, ...]:
        """What the value of `node` can be as a string, at least one gap."""
        if node in self._known:
            return self._known[node]
        if self._guard.is_busy(node):
            return (gap_text(node, module),)
        self._guard.active.add(node)
        cuts = self._guard.cuts
        try:
            found = tuple(islice(once(self._read(node, scope, module)), MOST)) or (gap_text(node, module),)
        finally:
            self._guard.active.discard(node)
        if self._guard.may_keep(cuts):
            self._known[node] = found
        return found

    def _read(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[Text]:
        reader = self._readers.get(type(node))
        if reader is not None:
            yield from reader(node, scope, module)
            return
        for value in _alternatives(node):
            yield from self.of(value, scope, module)

    def _constant(self, node: ast.Constant, _: Scope, module: Module) -> Iterator[Text]:
        if isinstance(node.value, str):
            yield constant(node.value, node, module)
        elif isinstance(node.value, bytes):
            yield constant(node.value.decode("utf-8", "replace"), node, module)
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            yield constant(str(node.value), node, module)

    def _f_string(self, node: ast.JoinedStr, scope: Scope, module: Module) -> Iterator[Text]:
        choices: list[tuple[Text, ...]] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                choices.append(self.of(part.value, scope, module))
            elif isinstance(part, ast.Constant):
                choices.append((constant(str(part.value), node, module),))
        yield from joined(choices, node, module)

    def _operation(self, node: ast.BinOp, scope: Scope, module: Module) -> Iterator[Text]:
        if isinstance(node.op, ast.Add):
            yield from joined([self.of(part, scope, module) for part in _added(node)], node, module)
        elif isinstance(node.op, ast.Mod):
            given = node.right
            for template in self.of(node.left, scope, module):
                values = [self.of(each, scope, module) for each in _percent_values(given)]
                names = _percent_names(given)
                yield from self._formatted(percent_parts, template, values, names, scope, module)
        elif isinstance(node.op, ast.Div):
            yield from self._file(node, module)
        elif isinstance(node.op, ast.Mult):
            yield from self.of(node.left, scope, module)

    def _formatted(
        self,
        split: Callable[[str], Iterator[Piece]],
        template: Text,
        values: Sequence[tuple[Text, ...]],
        names: dict[str, ast.expr],
        scope: Scope,
        module: Module,
    ) -> Iterator[Text]:
        choices: list[tuple[Text, ...]] = []
        for part in template.parts:
            if isinstance(part, Gap):
                choices.append((Text((part,), template.node, template.module),))
                continue
            for piece in split(part):
                if isinstance(piece, str):
                    choices.append((constant(piece, template.node, template.module),))
                elif isinstance(piece, int):
                    is_given = piece < len(values)
                    choices.append(values[piece] if is_given else (gap_text(template.node, module),))
                else:
                    (name,) = piece
                    value = names.get(name)
                    gap = Text((Gap(name),), template.node, module)
                    choices.append(self.of(value, scope, module) if value is not None else (gap,))
        for text in joined(choices, template.node, template.module):
            yield Text(text.parts, template.node, template.module, template.file, template.wrapped)

    def _name(self, node: ast.Name, scope: Scope, module: Module) -> Iterator[Text]:
        bindings = scope.lookup(node.id)
        if not bindings:
            for star in dict.fromkeys((*scope.stars, *scope.module().stars)):
                yield from self._exported(f"{star}.{node.id}", module)
            yield gap_text(node, module)
            return
        yield from self.bound(node.id, visible(bindings, scope, node.lineno, in_loop=node in module.loops), module)

    def bound(self, name: str, bindings: Sequence[Binding], module: Module) -> Iterator[Text]:
        """The texts of a name: what is added to it grows what it was before."""
        current: list[Text] = []
        for binding in sorted(bindings, key=lambda each: each.line):
            found = self.binding(name, binding, module)
            if binding.bound is Bound.ADDED:
                start = tuple(current) or (constant("", binding.value or ast.Constant(""), module),)
                grown = list(joined([start, found], binding.value or ast.Constant(""), module))
                current = grown if binding.is_certain else [*grown, *current]
            elif binding.is_certain and binding.bound is Bound.VALUE:
                current = list(found)
            else:
                current += found
        yield from current

    def binding(self, name: str, binding: Binding, module: Module) -> tuple[Text, ...]:
        """The texts that one binding of a name gives it."""
        value, scope = binding.value, binding.scope
        if binding.bound is Bound.PARAMETER or (binding.bound is Bound.DECLARED and scope.is_class):
            gap = Text((Gap(name, (scope, name)),), binding.node or binding.annotation or ast.Name(name), module)
            default = self.of(value, scope.parent or scope, module) if value is not None else ()
            return (gap, *(text for text in default if not text.is_unknown))
        if binding.bound is Bound.IMPORT:
            exported = tuple(self._exported(binding.dotted, module))
            return exported or (Text((Gap(binding.dotted),), ast.Name(name), module),)
        if value is None:
            return (Text((Gap(name),), ast.Name(name), module),)
        return tuple(self._bound_value(name, binding, value, module))

    def _bound_value(self, name: str, binding: Binding, value: ast.expr, module: Module) -> Iterator[Text]:
        if binding.bound is Bound.ELEMENT:
            yield from self._containers.elements(value, binding.scope, module)
        elif binding.bound is Bound.PART:
            yield from self._part(binding, value, module)
        else:
            yield from self.of(value, binding.scope, module)
            if binding.scope.is_class and binding.annotation is not None:  # a field with a default
                yield Text((Gap(name, (binding.scope, name)),), binding.annotation, module)

    def _part(self, binding: Binding, value: ast.expr, module: Module) -> Iterator[Text]:
        """One of several targets: of tuples that are written out the part at its position, else any of them."""
        rows: list[ast.expr] = [value]
        if binding.dotted == Bound.ELEMENT:
            if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "items":
                yield from self._containers.elements(value, binding.scope, module)
                return
            rows = list(self._rows(value, binding.scope))
        for row in rows:
            if isinstance(row, ast.Tuple | ast.List) and (binding.position or 0) < len(row.elts):
                yield from self.of(row.elts[binding.position or 0], binding.scope, module)

    def _rows(self, node: ast.expr, scope: Scope) -> Iterator[ast.expr]:
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield from node.elts
        elif isinstance(node, ast.Name):
            for binding in scope.lookup(node.id):
                if binding.bound is Bound.VALUE and isinstance(binding.value, ast.List | ast.Tuple | ast.Set):
                    yield from binding.value.elts

    def _exported(self, dotted: str, module: Module) -> Iterator[Text]:
        """The texts of a name that another module of the project defines."""
        source, _, name = dotted.rpartition(".")
        found = self._resolver.imported(source, module) if source else ""
        if isinstance(found, ModuleOrigin):
            yield from self._module_name(found.module, name)
        elif isinstance(found, ClassOrigin):
            yield from self._class_name(found, name)

    def _module_name(self, module: Module, name: str) -> Iterator[Text]:
        key = (module, name)
        if key in self._guard.active:
            self._guard.cuts += 1
            return
        self._guard.active.add(key)
        try:
            yield from self.bound(name, module.scope.names.get(name, []), module)
            if name not in module.scope.names:
                for star in module.scope.stars:
                    yield from self._exported(f"{star}.{name}", module)
        finally:
            self._guard.active.discard(key)

    def _attribute(self, node: ast.Attribute, scope: Scope, module: Module) -> Iterator[Text]:
        if node.attr in ("value", "sql", "query", "text", "statement"):  # enum members and thin wrappers
            yield from (text for text in self.of(node.value, scope, module) if not text.is_unknown)
        for base in self._resolver.of(node.value, scope, module):
            if isinstance(base, ModuleOrigin):
                yield from self._module_name(base.module, node.attr)
            elif isinstance(base, ClassOrigin | InstanceOrigin):
                yield from self._class_name(base if isinstance(base, ClassOrigin) else base.made_by, node.attr)
        for binding in module.assigned.get(str(written(node)), ()):
            yield from self.binding(node.attr, binding, module)

    def _class_name(self, owner: ClassOrigin, name: str, depth: int = 0) -> Iterator[Text]:
        bindings = [*owner.scope.names.get(name, ()), *owner.scope.attributes.get(name, ())]
        for binding in bindings:
            if binding.bound is Bound.FUNCTION and isinstance(binding.node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self.results(FunctionOrigin(owner.module, owner.module.inner[binding.node]))
            else:
                yield from self.binding(name, binding, owner.module)
        if depth > 0 or not self._guard.enter((owner, name)):
            yield from () if bindings or depth > _DEEPEST else self._inherited(owner, name, depth)
            return
        try:
            yield from () if bindings else self._inherited(owner, name, depth)
            for other in owner.module.classes:  # a class below may fill in what this one only uses
                below = ClassOrigin(owner.module, other)
                if name in other.names and owner in self._resolver.bases(below):
                    yield from self._class_name(below, name, depth + 1)
        finally:
            self._guard.active.discard((owner, name))

    def _inherited(self, owner: ClassOrigin, name: str, depth: int) -> Iterator[Text]:
        for base in self._resolver.bases(owner):
            if isinstance(base, ClassOrigin):
                yield from self._class_name(base, name, depth + 1)

    def elements(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[Text]:
        """The texts that a container holds."""
        yield from self._containers.elements(node, scope, module)

    def results(self, function: FunctionOrigin) -> Iterator[Text]:
        """The texts that a function of the project gives back."""
        for value in (*function.scope.returns, *function.scope.yields):
            yield from self.of(value, function.scope, function.module)

    def _item(self, node: ast.Subscript, scope: Scope, module: Module) -> Iterator[Text]:
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        yield from self._containers.elements(node.value, scope, module, key=key)
        for binding in module.assigned.get(f"{written(node.value)}[]", ()):
            yield from self.binding("", binding, module)

    def _call(self, node: ast.Call, scope: Scope, module: Module) -> Iterator[Text]:
        function = node.func
        if isinstance(function, ast.Attribute):
            found = list(self._method(function, node, scope, module))
            if found:
                yield from found
                return
        for origin in self._resolver.of(function, scope, module):
            if isinstance(origin, str):
                yield from self._library(origin, node, scope, module)
            elif isinstance(origin, ClassOrigin):
                yield from self._constructed(origin, node, scope, module)
            else:
                called = self._resolver.called(origin)
                if called is not None:
                    yield from self.results(called)

    def _constructed(self, origin: ClassOrigin, node: ast.Call, scope: Scope, module: Module) -> Iterator[Text]:
        """A wrapper that is made of one text, and a subclass of `str`."""
        if len(node.args) == 1 and not node.keywords and field_names(origin.scope)[:2] in ([], ["value"]):
            yield from self.of(node.args[0], scope, module)

    def _library(self, path: str, node: ast.Call, scope: Scope, module: Module) -> Iterator[Text]:
        if path in self._markers and node.args:
            for text in self.of(node.args[0], scope, module):
                yield Text(text.parts, text.node, text.module, text.file, wrapped=path)
        elif path in _FUNCTIONS and node.args:
            yield from self.of(node.args[-1 if path == "typing.cast" else 0], scope, module)
        elif path == "builtins.open":
            yield from self._file(node, module)

    def _method(self, function: ast.Attribute, node: ast.Call, scope: Scope, module: Module) -> Iterator[Text]:
        base, name = function.value, function.attr
        if name in _SAME and not (
            name in ("options", "columns", "render", "sub") and not _says(self, base, scope, module)
        ):
            yield from (text for text in self.of(base, scope, module) if not text.is_unknown)
        elif name in ("format", "format_map"):
            names = {str(k.arg): k.value for k in node.keywords if k.arg}
            values = [self.of(each, scope, module) for each in node.args]
            for template in self.of(base, scope, module):
                if not template.is_unknown:
                    yield from self._formatted(braces_parts, template, values, names, scope, module)
        elif name == "join" and node.args:
            yield from self._join(base, node.args[0], scope, module)
        elif name in _READERS:
            yield from self._file(node, module)
        elif name == "get" and node.args:
            key = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            yield from self._containers.elements(base, scope, module, key=key)
        elif name in ("pop", "values", "__add__", "concat"):
            yield from self._containers.elements(base, scope, module)

    def _join(self, glue: ast.expr, given: ast.expr, scope: Scope, module: Module) -> Iterator[Text]:
        between = self.of(glue, scope, module)
        for sequence in self._containers.sequences(given, scope, module):
            choices: list[tuple[Text, ...]] = []
            for each in sequence:
                choices += [between, each] if choices else [each]
            yield from joined(choices, given, module)

    def _file(self, node: ast.AST, module: Module) -> Iterator[Text]:
        """The text of a file with SQL that is named in the expression."""
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.lower().endswith(".sql"):
                yield Text((), node, module, file=each.value)
                return
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                for binding in module.scope.names.get(each.id, ()):
                    if (
                        binding.value is not None
                        and binding.value is not node
                        and (each.id, "file") not in self._guard.active
                    ):
                        self._guard.active.add((each.id, "file"))
                        yield from self._file(binding.value, module)
                        self._guard.active.discard((each.id, "file"))


def _says(strings: Strings, node: ast.expr, scope: Scope, module: Module) -> bool:
    return any(text.known.strip() for text in strings.of(node, scope, module))


def _percent_values(given: ast.expr) -> list[ast.expr]:
    return given.elts if isinstance(given, ast.Tuple) else [given]


def _percent_names(given: ast.expr) -> dict[str, ast.expr]:
    if not isinstance(given, ast.Dict):
        return {}
    return {
        str(key.value): value
        for key, value in zip(given.keys, given.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def _added(node: ast.expr) -> list[ast.expr]:
    """The parts that are added up, in order; hundreds of lines may be."""
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]


def _alternatives(node: ast.expr) -> list[ast.expr]:
    """The expressions of which a value is one."""
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.NamedExpr | ast.Await | ast.Starred):
        return [node.value]
    return node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else []
