"""Datasets that are made from an answer of yesterday: marked until a fresh load of what they are made from.

Grain: one row per dataset and the dataset that made it stale (itself included).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Engine, PrimaryKeyConstraint, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert

from groundwork.store.base import METADATA, moment

STALE_DATASET = Table(
    "stale_dataset",
    METADATA,
    Column("dataset", Text, nullable=False, comment="schema.table, or the name of a dbt model"),
    Column("because_of", Text, nullable=False, comment="schema.table that was loaded from a kept answer"),
    moment("as_of", nullable=True, comment="the time that the data is of"),
    Column("reason", Text, nullable=False),
    moment("marked_at"),
    PrimaryKeyConstraint("dataset", "because_of"),
)


class StaleDatasets:
    """Repository of stale datasets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mark(self, because_of: str, datasets: Iterable[str], *, as_of: datetime, reason: str) -> None:
        """Mark `because_of` and everything made from it."""
        rows = [
            {"dataset": each, "because_of": because_of, "as_of": as_of, "reason": reason}
            for each in sorted({because_of, *datasets})
        ]
        statement = insert(STALE_DATASET)
        newest = {name: statement.excluded[name] for name in ("as_of", "reason")}
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["dataset", "because_of"], set_=newest), rows
            )

    def clear(self, because_of: str) -> int:
        """A fresh load came: nothing is stale because of this dataset any more; how many marks went."""
        with self._engine.begin() as connection:
            return connection.execute(delete(STALE_DATASET).where(STALE_DATASET.c.because_of == because_of)).rowcount

    def all(self) -> list[Mapping[str, Any]]:
        """Every mark by dataset; columns of `stale_dataset`."""
        query = select(STALE_DATASET).order_by(STALE_DATASET.c.dataset, STALE_DATASET.c.because_of)
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
