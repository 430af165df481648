"""Which strings an expression can be, with gaps where a part is only known when the program runs.

Follows constants, f-strings, `+`, `%`, `format`, `join`, lists that grow, class attributes, enum members, results of
functions, and names across the project's modules. Nothing is evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice, product

from groundwork.rules.code.module import Module
from groundwork.rules.code.scope import Scope

_WIDEST = 80  # bytes of source that are shown for a gap
_LONGEST = 200_000  # characters; a longer text is not read
MOST = 16  # possible texts of one expression


@dataclass(frozen=True)
class Gap:
    """A part that is not known; `code` is what stands there in the source.

    `parameter` is the function (or the class whose field it is) and the name when a caller gives the part.
    """

    code: str
    parameter: tuple[Scope, str] | None = None


@dataclass(frozen=True)
class Text:
    """One possible string: its parts in order, and where it is written.

    `file` is the path of a file it is read from, null otherwise; `wrapped` the library function that marked it as SQL
    on its way here (`sqlalchemy.text`).
    """

    parts: tuple[str | Gap, ...]
    node: ast.AST
    module: Module
    file: str | None = None
    wrapped: str | None = None

    @property
    def constant(self) -> str | None:
        """The whole string when nothing of it is unknown."""
        known = [part for part in self.parts if isinstance(part, str)]
        return "".join(known) if len(known) == len(self.parts) else None

    @property
    def size(self) -> int:
        """How much there is of it, in characters; a gap counts as one."""
        return sum(len(part) if isinstance(part, str) else 1 for part in self.parts)

    @property
    def known(self) -> str:
        """The known parts, with a blank for each gap."""
        return "".join(part if isinstance(part, str) else " " for part in self.parts)

    @property
    def leading_parameter(self) -> tuple[Scope, str] | None:
        """The parameter that the text begins with, if it does."""
        for part in self.parts:
            if isinstance(part, Gap):
                return part.parameter
            if part.strip():
                return None
        return None

    @property
    def is_unknown(self) -> bool:
        """Whether nothing of it is known."""
        return not self.known.strip() and self.file is None

    def plus(self, other: Text) -> Text:
        """This text with another one behind it."""
        parts = [*self.parts]
        for part in other.parts:
            if parts and isinstance(part, str) and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
        first = self if self.known.strip() else other
        return replace(first, parts=tuple(parts), file=self.file or other.file, wrapped=self.wrapped or other.wrapped)


def gap_text(node: ast.AST, module: Module, parameter: tuple[Scope, str] | None = None) -> Text:
    """A text that is one gap."""
    is_short = isinstance(node, ast.expr) and node.lineno == node.end_lineno and _width(node) <= _WIDEST
    return Text((Gap(ast.unparse(node) if is_short else "…", parameter),), node, module)


def _width(node: ast.expr) -> int:
    return int(node.end_col_offset or 0) - node.col_offset


def constant(value: str, node: ast.AST, module: Module) -> Text:
    """A text that is wholly known."""
    return Text((value,), node, module)


def joined(choices: Sequence[tuple[Text, ...]], node: ast.AST, module: Module) -> Iterator[Text]:
    """Every way to put one text of each choice behind each other, not too many."""
    for chosen in islice(product(*[each or (gap_text(node, module),) for each in choices]), MOST):
        if sum(text.size for text in chosen) > _LONGEST:
            yield gap_text(node, module)
            return
        whole = reduce(Text.plus, chosen) if chosen else constant("", node, module)
        yield Text(whole.parts, node if len(chosen) > 1 else whole.node, module, whole.file, whole.wrapped)


def once(texts: Iterable[Text]) -> Iterator[Text]:
    """Each text once, in order."""
    seen: set[tuple[object, ...]] = set()
    for text in texts:
        key = (text.parts, text.file, text.wrapped)
        if key not in seen:
            seen.add(key)
            yield text
