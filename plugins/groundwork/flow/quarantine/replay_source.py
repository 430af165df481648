"""Quarantined rows as a source of a load, with the corrections that a person made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import TableContract
from groundwork.flow.quarantine.read import MASK, Selection, rows
from groundwork.flow.quarantine.row import field_values, lost_columns
from groundwork.flow.record import Batch, Mark, Reason, Record, Source, storable
from groundwork.flow.source import fillable
from groundwork.flow.sources.record_batch import unstorable
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """Values that take the place of kept ones: `for_all` column → value, `by_row` quarantine id → column → value.

    Null is SQL NULL. The mask in a file's value means the value that was kept.
    """

    for_all: Mapping[str, str | None] = field(default_factory=dict)
    by_row: Mapping[int, Mapping[str, str | None]] = field(default_factory=dict)

    def of(self, quarantine_id: int) -> dict[str, str | None]:
        """The corrections of one row; those of all rows count before those of its own."""
        own = {name: value for name, value in self.by_row.get(quarantine_id, {}).items() if value != MASK}
        return {**own, **self.for_all}

    def require(self, table: TableContract) -> None:
        """Raise ConfigError when a correction names a column that no source may fill."""
        known = [column.name for column in fillable(table)]
        named = dict.fromkeys([*self.for_all, *(name for row in self.by_row.values() for name in row)])
        for name in named:
            if name not in known:
                raise ConfigError(
                    "a correction names a column that cannot be filled",
                    where=table.qualified_name,
                    expected=f"one of {', '.join(known)}",
                    found=name,
                    next_step="correct the name",
                )


def corrected(table: TableContract, found: Mapping[str, Any], corrections: Corrections) -> dict[str, str | None] | None:
    """Column → value of one row of the quarantine, in the table's order; null when the row cannot be read.

    That is so for a line that was never divided into fields, and for a value of which only an escape was kept, as long
    as the corrections do not give what is missing.
    """
    given = corrections.of(int(found["quarantine_id"]))
    kept = field_values(table, found["raw"], found["reasons"])
    values = {**kept, **given}
    required = {column.name for column in fillable(table) if column.is_required and column.default is None}
    lost = lost_columns(found["reasons"])
    is_whole = required <= given.keys()
    if (not kept or None in lost) and not is_whole:
        return None
    if lost - {None} - given.keys() or not values:
        return None
    return {column.name: values[column.name] for column in fillable(table) if column.name in values}


@dataclass(frozen=True, kw_only=True)
class ReplayBatch:
    """Rows of the quarantine; there is no text that COPY could take whole, and no place to go on behind it."""

    found: tuple[tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]], ...]
    block: None = None
    mark: None = None

    def records(self, first_position: int) -> Iterator[Record]:
        """The rows, numbered."""
        for position, (values, raw, reasons) in enumerate(self.found, first_position):
            yield Record(position=position, values=values, raw=raw, reasons=reasons)


@dataclass(kw_only=True)
class ReplaySource:
    """The rows `ids`, in this order, each filling `columns`; position 1 is the first id."""

    engine: Engine
    contract: TableContract
    columns: tuple[str, ...]
    ids: tuple[int, ...]
    corrections: Corrections
    batch_rows: int
    fingerprint: str | None = field(default=None, init=False)
    size_bytes: int | None = field(default=None, init=False)
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """That it is the quarantine, and how many rows of it."""
        return f"quarantine ({len(self.ids)} rows)"

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """The rows, some thousands at a time; cannot go on in the middle.

        Raises: ConfigError when it is asked to.
        """
        if after is not None:
            raise ConfigError("a replay is read from its beginning", found=after, next_step="start the replay again")
        self._digest = None
        digest = hashlib.sha256()
        for start in range(0, len(self.ids), self.batch_rows):
            found = tuple(self._records(self.ids[start : start + self.batch_rows]))
            digest.update(repr([values for values, _, _ in found]).encode("utf-8", "backslashreplace"))
            yield ReplayBatch(found=found)
        self._digest = digest.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Itself: a replay is one load."""
        return (self,)

    def checksum(self) -> str | None:
        """SHA-256 over the rows as they were read."""
        return self._digest

    def _records(
        self, ids: tuple[int, ...]
    ) -> Iterator[tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]]]:
        with self.engine.connect() as connection, connection.begin():
            for row in rows(connection, Selection(state=None, ids=ids)):
                values = corrected(self.contract, row, self.corrections) or {}
                texts = tuple(values.get(name) for name in self.columns)
                told = {name: None if value is None else storable(value) for name, value in values.items()}
                reasons = (unstorable(name, value) for name, value in zip(self.columns, texts, strict=True))
                yield texts, told, tuple(each for each in reasons if each)
