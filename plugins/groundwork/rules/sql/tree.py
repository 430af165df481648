"""Walking the syntax trees of pglast: children of a node, names as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def kind(node: Any) -> str:
    """The kind of a node, as PostgreSQL's grammar calls it."""
    return type(node).__name__


def children(node: Any) -> Iterator[Any]:
    """The nodes right below `node`, those of its lists one by one."""
    if isinstance(node, tuple | list):
        for each in node:
            yield from children(each) if isinstance(each, tuple | list) else iter((each,))
        return
    for name in getattr(node, "__slots__", ()):
        value = getattr(node, name, None)
        if isinstance(value, tuple | list):
            yield from children(value)
        elif hasattr(value, "__slots__"):
            yield value


def walk(node: Any) -> Iterator[Any]:
    """`node` and everything below it."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, tuple | list):
            yield current
        waiting.extend(each for each in children(current) if hasattr(each, "__slots__"))


def text(node: Any) -> str:
    """What a name node says."""
    return str(getattr(node, "sval", node))


def names(node: Any) -> list[str]:
    """The names of a column reference in order, `*` for a star."""
    return [text(part) if hasattr(part, "sval") else "*" for part in node.fields]
