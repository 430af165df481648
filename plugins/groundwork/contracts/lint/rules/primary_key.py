"""Every table has a primary key, whose columns are numbered 1, 2, 3, … in the key's order.

Without a key a load cannot tell a new row from a changed one. Positions tell the order of a key of several columns,
which decides what its index serves.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.subject import ColumnPart, DomainPart, Problem, TablePart
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every table without a key and every key that is numbered wrongly."""
    for table in domain.tables:
        yield from _table(table)


def _table(table: TablePart) -> Iterator[Problem]:
    keyed = [column for column in table.columns if column.data.get("primaryKey") is True]
    if not keyed:
        yield table.problem(
            "/name",
            f"the table `{table.name}` has no primary key",
            "add `primaryKey: true` and `primaryKeyPosition: 1` to the column that identifies a row",
        )
        return
    for column in table.columns:
        if column not in keyed and column.data.get("primaryKeyPosition", -1) != -1:
            yield column.problem(
                "/primaryKeyPosition", f"`{column.name}` has a position but is not in the key", "add `primaryKey: true`"
            )
    positions = [_position(column, is_only=len(keyed) == 1) for column in keyed]
    if sorted(positions) != list(range(1, len(keyed) + 1)):
        wrong = next(
            column
            for place, column in zip(positions, keyed, strict=True)
            if positions.count(place) > 1 or not 1 <= place <= len(keyed)
        )
        found = ", ".join(str(position) if position else "none" for position in positions)
        yield wrong.problem(
            "/primaryKeyPosition" if "primaryKeyPosition" in wrong.data else "/primaryKey",
            f"the key of `{table.name}` is numbered {found}",
            f"number its columns 1 to {len(keyed)}, each once",
        )


def _position(column: ColumnPart, *, is_only: bool) -> int:
    position = column.data.get("primaryKeyPosition", 1 if is_only else 0)
    return position if isinstance(position, int) else 0
