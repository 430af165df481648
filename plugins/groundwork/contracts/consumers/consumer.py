"""One that relies on a table or a column, and the use it makes."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Side(StrEnum):
    """Whether a consumer takes values out, puts them in, or both."""

    READS = "reads"
    WRITES = "writes"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True, order=True)
class Consumer:
    """Who uses something: its kind (`dbt model`, `foreign key`, …), name, `file:line`, how it uses it, and its owner.

    `where` is relative to the project where it lies in it; `owner` is null when nothing says whom to ask.
    """

    kind: str
    name: str
    where: str
    how: str
    owner: str | None = None
    side: Side = Side.READS

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)

    def __str__(self) -> str:
        owner = f" [{self.owner}]" if self.owner else ""
        return f"{self.kind} {self.name} ({self.where}): {self.how}{owner}"


@dataclass(frozen=True, kw_only=True)
class Use:
    """One use: `column` is null when the table as a whole is used.

    `is_whole` says that which columns are used cannot be told, so that any of them may be.
    """

    consumer: Consumer
    table: str
    column: str | None = None
    is_whole: bool = False

    def concerns(self, table: str, column: str | None) -> bool:
        """Whether this use is one of the table or, with `column`, of that column."""
        if self.table != table:
            return False
        return column is None or self.column == column or self.is_whole


def shown(path: Path, project: Path, line: int) -> str:
    """`file:line`, relative to the project where the file lies in it."""
    with contextlib.suppress(OSError, ValueError):  # a path of another place, or of a revision
        path = path.resolve().relative_to(project.resolve())
    return f"{path}:{line}"
