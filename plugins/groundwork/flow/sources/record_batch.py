"""Batches of records that were read already, for sources whose text COPY cannot take whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from groundwork.flow.record import Mark, Reason, Record, Rule

FoundRecord = tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]]


@dataclass(frozen=True, kw_only=True)
class RecordBatch:
    """Records as values, raw form and reasons."""

    found: tuple[FoundRecord, ...]
    mark: Mark | None = None

    @property
    def block(self) -> None:
        """Nothing: values go through COPY one by one."""
        return

    def records(self, first_position: int) -> Iterator[Record]:
        """The records, numbered."""
        for position, (values, raw, reasons) in enumerate(self.found, first_position):
            yield Record(position=position, values=values, raw=raw, reasons=reasons)


def unstorable(column: str, text: str | None) -> Reason | None:
    """Why PostgreSQL could not even receive `text`, or null when it can."""
    if text is None:
        return None
    if "\x00" in text:
        return Reason(rule=Rule.NUL_BYTE, column=column, message=f"a NUL character at {text.index(chr(0)) + 1}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return Reason(rule=Rule.ENCODING, column=column, message=f"not UTF-8: {error.reason}")
    return None
