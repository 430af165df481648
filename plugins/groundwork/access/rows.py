"""What a repository gives back: rows, pages and the outcome of an upsert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

VERSION_LABEL = "groundwork_row_version"  # label of the version beside the table's own columns


@dataclass(frozen=True, kw_only=True)
class Row(Mapping[str, Any]):
    """One row, read-only; `version` is null where the reader may not see it."""

    values_by_column: Mapping[str, Any]
    version: str | None

    def __getitem__(self, name: str) -> Any:
        return self.values_by_column[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_column)

    def __len__(self) -> int:
        return len(self.values_by_column)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows in order; `cursor` begins the next page and is null on the last."""

    rows: tuple[Row, ...]
    cursor: str | None


@dataclass(frozen=True, kw_only=True)
class Upserted:
    """`written` rows are new or really changed; `unchanged` were there already as given."""

    written: int
    unchanged: int


def row_of(found: Mapping[Any, Any]) -> Row:
    """The row of a result that has the version beside its columns."""
    values = dict(found)
    version = values.pop(VERSION_LABEL)
    return Row(values_by_column=MappingProxyType(values), version=version)
