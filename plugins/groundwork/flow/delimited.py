"""CSV files as sources: a header line, then records that COPY can take as they are.

The header decides which field fills which column. Unwanted fields are skipped only where the contract maps fields by
name; without a mapping the header names the columns themselves and a stranger among them is an error.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from groundwork.flow import csv_text
from groundwork.flow.origin import Origin
from groundwork.flow.record import Batch, Reason, Record, storable
from groundwork.model.errors import ConfigError

_BYTES_PER_ROW = 80  # a guess that turns a wanted number of rows into a size of block
_MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CsvBatch:
    """A block of whole CSV records."""

    block: bytes
    header: tuple[str, ...]
    wanted: tuple[int, ...]

    def records(self, first_position: int) -> Iterator[Record]:
        """The records of the block, each whole or with its reason."""
        found = csv_text.records(self.block, len(self.header))
        for position, (raw, fields, reason) in enumerate(found, first_position):
            yield self._record(position, raw, fields, reason)

    def _record(self, position: int, raw: bytes, fields: list[str | None] | None, reason: Reason | None) -> Record:
        if fields is None or reason is not None:
            shown = {"line": storable(raw[: csv_text.MAX_RECORD_BYTES].decode("utf-8", "backslashreplace"))}
            return Record(position=position, values=(), raw=shown, reasons=(reason,) if reason else ())
        values = tuple(fields[index] for index in self.wanted)
        return Record(position=position, values=values, raw=dict(zip(self.header, fields, strict=True)))


@dataclass(kw_only=True)
class DelimitedSource:
    """A CSV file; `mapping` is column → field of the header, null when the header names the columns themselves."""

    origin: Origin
    mapping: Mapping[str, str] | None
    known_columns: tuple[str, ...]
    batch_rows: int
    _header: tuple[str, ...] | None = field(default=None, init=False, repr=False)
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Where the file is."""
        return self.origin.description

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the header."""
        return tuple(column for column in self.fields if column is not None)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """Target column of each field of the header."""
        if self.mapping is None:
            return self.header
        column_of = {source: column for column, source in self.mapping.items()}
        return tuple(column_of.get(name) for name in self.header)

    @property
    def header(self) -> tuple[str, ...]:
        """Names in the first line.

        Raises: ConfigError when the file is not there, is empty, or its header does not fit the contract.
        """
        if self._header is None:
            with self.origin.open() as stream:
                self._header = self._checked(self._read_header(stream))
        return self._header

    def batches(self) -> Iterator[Batch]:
        """All records in blocks; the file's checksum is known after the last."""
        header = self.header
        wanted = tuple(index for index, column in enumerate(self.fields) if column is not None)
        self._digest = None
        digest = hashlib.sha256()
        with self.origin.open() as stream:
            reader = _Digesting(stream, digest)
            self._read_header(reader)
            for block in csv_text.blocks(reader, self.batch_rows * _BYTES_PER_ROW):
                yield CsvBatch(block=block, header=header, wanted=wanted)
        self._digest = digest.hexdigest()

    def checksum(self) -> str | None:
        """SHA-256 of the file's content, unpacked."""
        return self._digest

    def _read_header(self, stream: Any) -> tuple[str, ...]:
        line = stream.readline(_MAX_HEADER_BYTES).removeprefix(codecs.BOM_UTF8)
        text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
        return tuple(name or "" for name in csv_text.split_record(text))

    def _checked(self, header: tuple[str, ...]) -> tuple[str, ...]:
        wanted = set(self.mapping.values()) if self.mapping is not None else set()
        missing = sorted(wanted - set(header))
        strangers = [] if self.mapping is not None else [name for name in header if name not in self.known_columns]
        repeated = sorted({name for name in header if header.count(name) > 1})
        if missing or strangers or repeated:
            raise ConfigError(
                "the header of the source does not fit the contract",
                where=self.description,
                expected=", ".join(sorted(wanted) or self.known_columns),
                found=", ".join(header) or "an empty file",
                next_step="correct `source.columns` in the contract, or the file",
            )
        return header


class _Digesting:
    """A stream that hashes what passes through it."""

    def __init__(self, stream: IO[bytes], digest: Any) -> None:
        self._stream = stream
        self._digest = digest

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def readline(self, size: int = -1) -> bytes:
        data = self._stream.readline(size)
        self._digest.update(data)
        return data
