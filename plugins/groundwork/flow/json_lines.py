"""Files with one JSON object per line as sources.

A field that is missing in a line is null. Without a mapping the keys are the column names, and a key that is no column
of the table is a reason for quarantine, because silently dropping a field loses data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

from groundwork.flow.csv_text import MAX_RECORD_BYTES
from groundwork.flow.json_text import column_text, parse
from groundwork.flow.origin import Origin
from groundwork.flow.record import Batch, Reason, Record, Rule, storable


@dataclass(frozen=True, kw_only=True)
class RecordBatch:
    """Records that were read already; there is no text that COPY could take whole."""

    found: tuple[tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]], ...]

    @property
    def block(self) -> None:
        """Nothing: values go through COPY one by one."""
        return

    def records(self, first_position: int) -> Iterator[Record]:
        """The records, numbered."""
        for position, (values, raw, reasons) in enumerate(self.found, first_position):
            yield Record(position=position, values=values, raw=raw, reasons=reasons)


@dataclass(kw_only=True)
class JsonLinesSource:
    """A file of JSON objects; `types` is the physical type of each column, `mapping` column → key."""

    origin: Origin
    mapping: Mapping[str, str]
    types: Mapping[str, str]
    refuses_unknown: bool
    batch_rows: int
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Where the file is."""
        return self.origin.description

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the mapping."""
        return tuple(self.mapping)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    def batches(self) -> Iterator[Batch]:
        """All lines that are not blank, `batch_rows` at a time."""
        self._digest = None
        digest = hashlib.sha256()
        with self.origin.open() as stream:
            lines = (line for line in _lines(stream, digest) if line.strip())
            while found := tuple(self._record(line) for line in islice(lines, self.batch_rows)):
                yield RecordBatch(found=found)
        self._digest = digest.hexdigest()

    def checksum(self) -> str | None:
        """SHA-256 of the file's content, unpacked."""
        return self._digest

    def _record(self, line: bytes) -> tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]]:
        shown = {"line": storable(line.rstrip(b"\r\n").decode("utf-8", "backslashreplace"))}
        try:
            value = parse(line.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            reason = Reason(rule=Rule.ENCODING, message=f"not UTF-8: {error.reason} at byte {error.start + 1}")
            return (), shown, (reason,)
        except ValueError as error:
            return (), shown, (Reason(rule=Rule.NOT_JSON, message=f"not a JSON object: {error}"),)
        if not isinstance(value, dict):
            found = f"expected a JSON object, found {type(value).__name__}"
            return (), shown, (Reason(rule=Rule.NOT_JSON, message=found),)
        return self._values(value, shown)

    def _values(
        self, value: Mapping[str, Any], shown: Mapping[str, Any]
    ) -> tuple[tuple[str | None, ...], Mapping[str, Any], tuple[Reason, ...]]:
        values = tuple(column_text(value.get(key), self.types[column]) for column, key in self.mapping.items())
        reasons = [unstorable(column, text) for column, text in zip(self.mapping, values, strict=True)]
        if self.refuses_unknown:
            strangers = sorted(set(value) - set(self.mapping.values()))
            reasons += [
                Reason(rule=Rule.UNKNOWN_FIELD, message=f"no column is called {storable(name)!r}") for name in strangers
            ]
        return values, shown, tuple(reason for reason in reasons if reason)


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


def _lines(stream: IO[bytes], digest: Any) -> Iterator[bytes]:
    """Lines of bounded length: what lies beyond the bound of a line comes as a line of its own, which is not JSON."""
    while line := stream.readline(MAX_RECORD_BYTES):
        digest.update(line)
        yield line
