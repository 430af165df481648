"""The pieces of format strings: known text, positions and names of what is filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter

Piece = str | int | tuple[str]
_PERCENT = re.compile(r"%(?:\((?P<name>[^)]*)\))?[-+ #0]*(?:\d+|\*)?(?:\.\d+)?(?P<kind>[a-zA-Z%])")


def percent_parts(template: str) -> Iterator[Piece]:
    """Pieces of a `%` template: a number is the position of a value, a tuple its name.

    >>> list(percent_parts("a %s b %(c)s 5%%"))
    ['a ', 0, ' b ', ('c',), ' 5', '%']
    """
    end = position = 0
    for found in _PERCENT.finditer(template):
        if found.start() > end:
            yield template[end : found.start()]
        end = found.end()
        if found["kind"] == "%":
            yield "%"
        elif found["name"] is not None:
            yield (found["name"],)
        else:
            yield position
            position += 1
    if end < len(template):
        yield template[end:]


def braces_parts(template: str) -> Iterator[Piece]:
    """Pieces of a template for `str.format`; a template that is none is one piece of text.

    >>> list(braces_parts("a {} b {c.d} {1!r} {{x}}"))
    ['a ', 0, ' b ', ('c',), ' ', 1, ' {x}']
    """
    automatic = 0
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        yield template
        return
    waiting = ""
    for text, name, _, _ in parsed:
        waiting += text
        if name is None:
            continue
        if waiting:
            yield waiting
            waiting = ""
        first = re.split(r"[.\[]", name, maxsplit=1)[0]
        if not first:
            yield automatic
            automatic += 1
        else:
            yield int(first) if first.isdigit() else (first,)
    if waiting:
        yield waiting
