"""CSV files as sources: a header line or given names, then records that COPY can take as they are.

The header decides which field fills which column. Unwanted fields are skipped only where the contract maps fields by
name; without a mapping the header names the columns themselves and a stranger among them is an error. Text in another
dialect is written anew as COPY reads it; text in the usual one is never touched.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from groundwork.flow import csv_text
from groundwork.flow.record import Batch, Mark, Reason, Record, Source, storable
from groundwork.flow.sources.dialect import USUAL, Dialect, Utf8
from groundwork.flow.sources.digesting import Digesting
from groundwork.flow.sources.filling import Filling, FoundField, SchemaPolicy
from groundwork.flow.sources.origin import Origin
from groundwork.flow.sources.packing import skip
from groundwork.model.errors import RetriableError

_BYTES_PER_ROW = 80  # a guess that turns a wanted number of rows into a size of block
_MAX_HEADER_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CsvBatch:
    """A block of whole CSV records; `text` is as the file has it, `block` as COPY reads it.

    `constants` are values of further fields behind those of the file.
    """

    text: bytes
    block: bytes | None
    header: tuple[str, ...]
    wanted: tuple[int, ...]
    mark: Mark | None = None
    dialect: Dialect = USUAL
    constants: tuple[str | None, ...] = ()

    def records(self, first_position: int) -> Iterator[Record]:
        """The records of the block, each whole or with its reason."""
        width = len(self.header) - len(self.constants)
        found = csv_text.records(self.text, width, self.dialect.split, self.dialect.quote.encode())
        for position, (raw, fields, reason) in enumerate(found, first_position):
            yield self._record(position, raw, fields, reason)

    def _record(self, position: int, raw: bytes, fields: list[str | None] | None, reason: Reason | None) -> Record:
        if fields is None or reason is not None:
            shown = {"line": storable(raw[: csv_text.MAX_RECORD_BYTES].decode("utf-8", "backslashreplace"))}
            return Record(position=position, values=(), raw=shown, reasons=(reason,) if reason else ())
        fields = [*fields, *self.constants]
        values = tuple(fields[index] for index in self.wanted)
        return Record(position=position, values=values, raw=dict(zip(self.header, fields, strict=True)))


@dataclass(kw_only=True)
class DelimitedSource:
    """A CSV file; `mapping` is column → field of the header, null when the header names the columns themselves.

    `start` and `end` are bytes of its content as UTF-8, on the edges of records; null is the first record and the end.
    `constants` are fields that every record has beside its own, from the file's path. `version` tells of which file
    `start` and `end` are.
    """

    origin: Origin
    mapping: Mapping[str, str] | None
    known_columns: tuple[str, ...]
    batch_rows: int
    dialect: Dialect = USUAL
    policy: SchemaPolicy = SchemaPolicy.FREEZE
    constants: Mapping[str, str | None] = field(default_factory=dict)
    start: int | None = None
    end: int | None = None
    version: str = ""
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Where the file is, and which bytes of it when it is a part."""
        return self.origin.part_description(self.start, self.end, self.version)

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the header."""
        return tuple(column for column in self.fields if column is not None)

    @cached_property
    def fields(self) -> tuple[str | None, ...]:
        """Target column of each field of the header.

        Raises: ConfigError when the file is not there, is empty, or its header does not fit the contract.
        """
        filling = Filling(mapping=self.mapping, known=self.known_columns, policy=self.policy)
        return filling.columns_of(self._all_fields, self.description, tuple(self.constants))

    @property
    def header(self) -> tuple[str, ...]:
        """Names in the first line, then those of the constants; raises as `fields` does."""
        self.fields  # noqa: B018  the check
        return self._all_fields

    @property
    def fingerprint(self) -> str | None:
        """Size and time of the file."""
        return self.origin.fingerprint

    @property
    def size_bytes(self) -> int | None:
        """Bytes of a plain file or of the part."""
        size = self.end if self.end is not None else self.origin.size_bytes
        return None if size is None else size - (self.start or 0)

    def found_fields(self) -> tuple[FoundField, ...]:
        """The fields of the header."""
        return tuple(FoundField(name=name) for name in self._all_fields)

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All records in blocks, or those behind a mark; the file's checksum is known after the last."""
        self._digest = None
        header, constants = self.header, self._extra
        wanted = tuple(index for index, column in enumerate(self.fields) if column is not None)
        begin = int(after["byte"]) if after is not None else self.start
        with self._content(begin) as (stream, first):
            offset = first
            for text in csv_text.blocks(stream, self._block_bytes, self.dialect.quote.encode()):
                offset += len(text)
                block = self.dialect.canonical(text, len(header) - len(constants))
                yield CsvBatch(
                    text=text,
                    block=_extended(block, tuple(constants.values())) if constants else block,
                    header=header,
                    wanted=wanted,
                    mark={"byte": offset},
                    dialect=self.dialect,
                    constants=tuple(constants.values()),
                )
            if stream.left:
                raise RetriableError(
                    "the source broke off while it was read",
                    where=self.description,
                    expected=f"{self.end} bytes",
                    found=f"{offset} bytes",
                    next_step="run the load again when the file is whole; nothing of it was loaded",
                )
        if after is None:
            self._digest = stream.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Ranges of a plain UTF-8 file, cut where a reading from the beginning ends a block; else the file itself.

        Reads the file once, because a newline inside quotes ends no record.
        """
        size = self.size_bytes
        if wanted < 2 or not size or not self.origin.is_plain or not self.dialect.is_utf8 or self.start is not None:
            return (self,)
        cuts: list[int] = []
        with self._content(None, is_hashed=False) as (stream, first):
            offset = first
            for text in csv_text.blocks(stream, self._block_bytes, self.dialect.quote.encode()):
                offset += len(text)
                if len(cuts) < wanted - 1 and size * (len(cuts) + 1) / wanted <= offset < size:
                    cuts.append(offset)
        if not cuts:
            return (self,)
        version = self.origin.version
        return tuple(
            replace(self, start=start, end=end, version=version)
            for start, end in zip([None, *cuts], [*cuts, None], strict=True)
        )

    def part_named(self, description: str) -> Source | None:
        """The part of this description, found without reading; null when it is none of the file as it is now."""
        found = self.origin.part_named(description)
        if found is None:
            return None
        start, end, version = found
        return replace(self, start=start, end=end, version=version)

    def checksum(self) -> str | None:
        """SHA-256 of the file's content, unpacked; of a part, of its bytes."""
        return self._digest

    @property
    def _block_bytes(self) -> int:
        return self.batch_rows * _BYTES_PER_ROW

    @contextmanager
    def _content(self, begin: int | None, *, is_hashed: bool = True) -> Iterator[tuple[Digesting, int]]:
        """The bytes of the records as UTF-8 from `begin`, or from the first record; and where they begin."""
        at = begin or 0
        with self.origin.open(at if self.dialect.is_utf8 else 0) as raw:
            source: Any = raw if self.dialect.is_utf8 else Utf8(raw, self.dialect.encoding)
            if at and not self.dialect.is_utf8 and skip(source, at) < at:
                raise EOFError(f"it ends before byte {at}")
            stream = Digesting(source, None if self.end is None else self.end - at, is_hashed=is_hashed)
            yield stream, at if begin is not None else self._skip_header(stream)

    def _skip_header(self, stream: Digesting) -> int:
        if self.dialect.header is None:
            return len(stream.readline(_MAX_HEADER_BYTES))
        return len(stream.read(len(codecs.BOM_UTF8))) if self._has_mark else 0

    @cached_property
    def _all_fields(self) -> tuple[str, ...]:
        return (*self._own_fields, *self._extra)

    @cached_property
    def _extra(self) -> Mapping[str, str | None]:
        return {name: value for name, value in self.constants.items() if name not in self._own_fields}

    @cached_property
    def _own_fields(self) -> tuple[str, ...]:
        if self.dialect.header is not None:
            return self.dialect.header
        line = self._beginning.removeprefix(codecs.BOM_UTF8).partition(b"\n")[0]
        text = line.decode("utf-8", "backslashreplace").rstrip("\r")
        return tuple(name or "" for name in csv_text.split_record(text, self.dialect.delimiter, self.dialect.quote))

    @property
    def _has_mark(self) -> bool:
        return self._beginning.startswith(codecs.BOM_UTF8)

    @cached_property
    def _beginning(self) -> bytes:
        """The first line."""
        with self.origin.open() as raw:
            source: Any = raw if self.dialect.is_utf8 else Utf8(raw, self.dialect.encoding)
            found: bytes = source.readline(_MAX_HEADER_BYTES)
            return found


def _extended(block: bytes | None, constants: tuple[str | None, ...]) -> bytes | None:
    """The block with the constants behind each record; null when its lines are not its records."""
    if block is None or b'"' in block or b"\r" in block or b"\n\n" in block or block[:1] == b"\n":
        return None
    tail = b"," + csv_text.write_record(constants).encode()
    return block.removesuffix(b"\n").replace(b"\n", tail) + tail
