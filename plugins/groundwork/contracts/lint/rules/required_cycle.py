"""Tables that can be loaded one after the other.

When tables refer to one another in a circle and every reference is required, no first row can be written. A table may
refer to itself. One reference of the circle has to be optional.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, Problem, RelationshipPart, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
_Graph = dict[str, dict[str, RelationshipPart]]


def check(domain: DomainPart) -> Iterator[Problem]:
    """One problem per circle, at its reference that comes first in the files."""
    graph = _required(domain)
    reported: set[frozenset[str]] = set()
    for table in domain.tables:
        circle = _circle(graph, table.name)
        if circle is None or frozenset(circle) in reported:
            continue
        reported.add(frozenset(circle))
        first = graph[circle[0]][circle[1 % len(circle)]]
        path = " → ".join([*circle, circle[0]])
        columns = ", ".join(first.columns)
        yield first.problem(
            "", f"no first row can be loaded: {path} all require one another", f"make `{columns}` optional"
        )


def _required(domain: DomainPart) -> _Graph:
    graph: _Graph = {}
    for table in domain.tables:
        for relationship in table.relationships:
            target = domain.table(relationship.target_table or "")
            if target is not None and target.name != table.name and _is_required(table, relationship):
                graph.setdefault(table.name, {}).setdefault(target.name, relationship)
    return graph


def _is_required(table: TablePart, relationship: RelationshipPart) -> bool:
    columns = [table.column(name) for name in relationship.columns]
    return all(column is not None and column.is_required for column in columns)


def _circle(graph: _Graph, start: str) -> list[str] | None:
    """A shortest circle through `start`, as the tables in order; null when there is none."""
    paths = [[start]]
    seen = set()
    while paths:
        path = paths.pop(0)
        for following in graph.get(path[-1], {}):
            if following == start:
                return path
            if following not in seen:
                seen.add(following)
                paths.append([*path, following])
    return None
