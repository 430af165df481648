"""How often each key read each table, per day.

Reads are counted, not audited one by one: the counts are gathered in memory and added here every few seconds, so a
crash can lose the last few seconds of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import BigInteger, Column, Date, Engine, ForeignKey, PrimaryKeyConstraint, Table, Text, select
from sqlalchemy.dialects.postgresql import insert

from groundwork.store.api_key import API_KEY
from groundwork.store.base import METADATA

API_USAGE = Table(
    "api_usage",
    METADATA,
    Column("usage_date", Date, nullable=False, comment="UTC"),
    Column("key_id", Text, ForeignKey(API_KEY.c.key_id), nullable=False),
    Column("subject", Text, nullable=False, comment="domain/table"),
    Column("read_count", BigInteger, nullable=False, comment="requests"),
    Column("row_count", BigInteger, nullable=False, comment="rows returned"),
    PrimaryKeyConstraint("usage_date", "key_id", "subject"),
)
Reads = tuple[int, int]  # requests, rows


class ApiUsage:
    """Repository of counts; grain: one row per day, key and table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, on: date, counts: Mapping[tuple[str, str], Reads]) -> None:
        """Add counts by (key id, subject) to the day's."""
        rows = [
            {"usage_date": on, "key_id": key_id, "subject": subject, "read_count": reads, "row_count": rows}
            for (key_id, subject), (reads, rows) in sorted(counts.items())
        ]
        if not rows:
            return
        statement = insert(API_USAGE)
        given = statement.excluded
        added = statement.on_conflict_do_update(
            index_elements=["usage_date", "key_id", "subject"],
            set_={
                "read_count": API_USAGE.c.read_count + given.read_count,
                "row_count": API_USAGE.c.row_count + given.row_count,
            },
        )
        with self._engine.begin() as connection:
            connection.execute(added, rows)

    def of_key(self, key_id: str) -> dict[tuple[date, str], Reads]:
        """All counts of one key by day and subject."""
        query = select(API_USAGE).where(API_USAGE.c.key_id == key_id)
        with self._engine.connect() as connection:
            found = connection.execute(query).mappings().all()
        return {(row["usage_date"], row["subject"]): (row["read_count"], row["row_count"]) for row in found}
