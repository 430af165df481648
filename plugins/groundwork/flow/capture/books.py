"""The books of a stream: per consumer and table one row of the ledger, brought forward with every batch.

Its counts always balance: read = loaded + updated + unchanged + quarantined + duplicates, where `read` are new rows
that the source told (inserted, updated, or found by the snapshot) and `duplicates` those that a later change of the
same batch replaced. `removed` are rows of the target that went or were marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, insert, update

from groundwork.flow.capture.declaration import StreamTable
from groundwork.flow.ledger import LOAD


@dataclass(kw_only=True)
class StreamBooks:
    """The books of one consumer; `counts` is table → count → records since it began."""

    run_id: str
    source: str
    load_ids: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def load_id(self, connection: Connection, table: StreamTable, schema: str) -> int:
        """The books of a table, opened with its first change."""
        if table.name not in self.load_ids:
            statement = insert(LOAD).values(
                run_id=self.run_id,
                schema_name=schema,
                table_name=table.contract.name,
                source=f"{self.source}: {table.source}",
                mode=str(table.apply),
                state="finished",
                read=0,
                finished_at=func.clock_timestamp(),
            )
            self.load_ids[table.name] = int(connection.scalar(statement.returning(LOAD.c.load_id)) or 0)
        return self.load_ids[table.name]

    def add(self, connection: Connection, table: StreamTable, schema: str, counts: Mapping[str, int]) -> None:
        """Bring the books of a table forward; the database refuses counts that do not balance."""
        found = {name: count for name, count in counts.items() if count}
        if not found:
            return
        load_id = self.load_id(connection, table, schema)
        values = {name: LOAD.c[name] + count for name, count in found.items()}
        row = update(LOAD).where(LOAD.c.load_id == load_id)
        connection.execute(row.values(**values, finished_at=func.clock_timestamp()))
        self.counts.setdefault(table.name, Counter()).update(found)
