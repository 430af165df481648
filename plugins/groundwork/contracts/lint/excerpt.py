"""A contract without the columns that are right, so that explaining what is wrong costs by mistakes and not by size.

Columns of a table are judged one by one by the standard's schema, which is why leaving some out changes no finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = Sequence[str | int]


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """The shortened data; `kept` tells for each shortened table which of its columns are left, by position."""

    data: Mapping[str, Any]
    kept: Mapping[int, Sequence[int]]

    def original(self, path: Path) -> Path:
        """`path` of the shortened data as it is in the whole contract."""
        column = _column_of(path)
        if column is None or column[0] not in self.kept:
            return path
        return [*path[:3], self.kept[column[0]][column[1]], *path[4:]]


def excerpt(data: Mapping[str, Any], paths: Iterable[Path]) -> Excerpt:
    """`data` with only those columns of its tables that one of `paths` leads into."""
    tables = data.get("schema")
    if not isinstance(tables, list):
        return Excerpt(data=data, kept={})
    wanted: dict[int, set[int]] = {}
    for path in paths:
        column = _column_of(path)
        if column is not None:
            wanted.setdefault(column[0], set()).add(column[1])
    kept, shortened = {}, list(tables)
    for position, table in enumerate(tables):
        if isinstance(table, dict) and isinstance(table.get("properties"), list):
            kept[position] = sorted(wanted.get(position, ()))
            shortened[position] = table | {"properties": [table["properties"][place] for place in kept[position]]}
    return Excerpt(data={**data, "schema": shortened}, kept=kept)


def _column_of(path: Path) -> tuple[int, int] | None:
    """The positions of the table and the column that `path` leads into."""
    if len(path) < 4 or path[0] != "schema" or path[2] != "properties":
        return None
    table, column = path[1], path[3]
    return (table, column) if isinstance(table, int) and isinstance(column, int) else None
