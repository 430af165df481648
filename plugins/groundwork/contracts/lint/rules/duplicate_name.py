"""Names that are given once.

A table's name is declared once in its schema, a column's once in its table. Index and key names are unique in the
whole schema, because PostgreSQL keeps them in one room with tables; check names are unique in their table.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, Part, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every second use of a name."""
    relations: dict[tuple[str, str], Part] = {}
    for table in domain.tables:
        yield from _once(relations, (table.schema, table.name), table, "table")
        columns: dict[tuple[str, str], Part] = {}
        for column in table.columns:
            yield from _once(columns, ("", column.name), column, "column")
        checks: dict[tuple[str, str], Part] = {}
        for part in table.custom_parts("checks"):
            yield from _once(checks, ("", part.text("name")), part, "check")
    for table in domain.tables:
        for kind, property_ in (("index", "indexes"), ("unique key", "uniqueKeys")):
            for part in table.custom_parts(property_):
                yield from _once(relations, (table.schema, part.text("name")), part, kind)


def _once(seen: dict[tuple[str, str], Part], key: tuple[str, str], part: Part, kind: str) -> Iterator[Problem]:
    if not key[1]:
        return
    if key not in seen:
        seen[key] = part
        return
    first = seen[key]
    line = first.document.position(first.pointer).line
    where = f"line {line}" if first.document.path == part.document.path else f"{first.document.path}:{line}"
    yield part.problem(
        "/name" if "name" in part.data else "",
        f"the {kind} name `{key[1]}` is already taken in {where}",
        "give it another name, or remove one of the two",
    )
