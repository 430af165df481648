"""The quality of a table as a value: how it is computed is the business of `groundwork.quality.score`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from groundwork.model.vocabulary import Dimension


@dataclass(frozen=True, kw_only=True)
class TableScore:
    """Scores of one table in percent (0 to 100); null where nothing was measured."""

    schema: str
    table: str
    row_count: int | None
    dimensions: Mapping[Dimension, float | None]
    overall_pct: float | None
    check_count: int
    failed_count: int
