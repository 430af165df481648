"""What annotations say about values: `connection: Connection | None` is an instance of what `Connection` leads to."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from groundwork.rules.code.module import Module
from groundwork.rules.code.origin import UNKNOWN, ClassOrigin, InstanceOrigin, Origin, Origins
from groundwork.rules.code.scope import Scope

_INNER = frozenset(  # generics whose value stands for what is inside of them
    [
        "Optional", "Annotated", "Union", "Final", "ClassVar", "Awaitable", "Iterator", "Generator", "AsyncIterator",
        "AsyncGenerator", "ContextManager", "AsyncContextManager", "AbstractContextManager", "Coroutine",
        "AbstractAsyncContextManager", "Depends",
    ]
)  # fmt: skip
_TYPES = frozenset(["type", "Type"])


class Annotations:
    """Reads annotations through `resolve`, which gives the origins of an expression."""

    def __init__(self, resolve: Callable[[ast.expr, Scope, Module], Origins]) -> None:
        self._resolve = resolve

    def instances(self, node: ast.expr, scope: Scope, module: Module) -> Iterator[Origin]:
        """The origins of a value with this annotation."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parsed = _parsed(node.value)
            if parsed is not None:
                yield from self.instances(parsed, scope, module)
        elif isinstance(node, ast.BinOp):
            yield from self.instances(node.left, scope, module)
            yield from self.instances(node.right, scope, module)
        elif isinstance(node, ast.Subscript):
            yield from self._generic(node, scope, module)
        elif isinstance(node, ast.Name | ast.Attribute):
            for origin in self._resolve(node, scope, module):
                if isinstance(origin, ClassOrigin):
                    yield InstanceOrigin(origin)
                elif isinstance(origin, str) and not origin.startswith((UNKNOWN, "builtins.", "typing.")):
                    yield f"{origin}()"

    def _generic(self, node: ast.Subscript, scope: Scope, module: Module) -> Iterator[Origin]:
        name = getattr(node.value, "id", None) or getattr(node.value, "attr", None)
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in _TYPES:
            yield from self._resolve(inner[0], scope, module)
        elif name in _INNER:
            for each in inner:
                yield from self.instances(each, scope, module)
        else:
            yield from self.instances(node.value, scope, module)


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return None
