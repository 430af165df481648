"""Batches of records that a source had by columns, as CSV text that COPY takes whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from groundwork.flow.csv_text import records
from groundwork.flow.record import Mark, Record


@dataclass(frozen=True, kw_only=True)
class ColumnBatch:
    """Records as CSV text that was made of columns."""

    block: bytes
    header: tuple[str, ...]
    mark: Mark | None

    def records(self, first_position: int) -> Iterator[Record]:
        """The records, each whole or with its reason."""
        for position, (_, fields, reason) in enumerate(records(self.block, len(self.header)), first_position):
            values = tuple(fields or ())
            raw = dict(zip(self.header, values, strict=False))
            yield Record(position=position, values=values, raw=raw, reasons=(reason,) if reason else ())
