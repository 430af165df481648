"""Lineage as a value: which datasets a step read and wrote, column by column where that is known.

Names follow OpenLineage: a namespace says where (`postgres://host:port`, `file`), a name says what
(`database.schema.table`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundwork.model.checks import CheckResult


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset; `columns` are (name, type) pairs, `row_count` the rows written to or read from it."""

    namespace: str
    name: str
    columns: tuple[tuple[str, str], ...] = ()
    row_count: int | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class ColumnSource:
    """A column of an input dataset; `how` says what was done to it (identity, cast, or an expression)."""

    dataset: Dataset
    column: str
    how: str = "identity"


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What one step read and wrote.

    `column_sources` maps (output dataset name, column) to the columns it was made from; a column that is missing is
    unknown, not empty. `assertions` are quality results on the inputs, `sql` the statements when there are any.
    """

    inputs: tuple[Dataset, ...] = ()
    outputs: tuple[Dataset, ...] = ()
    column_sources: Mapping[tuple[str, str], tuple[ColumnSource, ...]] = field(default_factory=dict)
    assertions: tuple[CheckResult, ...] = ()
    sql: str | None = None
