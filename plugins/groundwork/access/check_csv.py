"""CSV as rows to check: read as COPY reads it, whole blocks at a time where every quote is where it belongs.

`groundwork.flow.csv_text` cuts the bytes and takes doubtful records apart; Arrow takes the plain blocks. The two read
the same fields out of the same bytes: a block with a quote in the middle of a field, a lone carriage return or a NUL
is not plain.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import IO, Any

from sqlalchemy import ColumnElement, FromClause, column, literal_column, table
from sqlalchemy.types import TypeEngine

from groundwork.access.check_blocks import RAW, Block, Broken, Given, View, header_errors, is_default_when_null, usable
from groundwork.access.check_report import RowError
from groundwork.access.check_text import file_reader_for
from groundwork.access.check_types import Kind, yes
from groundwork.access.validation import RowRules
from groundwork.access.values import Reader
from groundwork.flow import csv_text
from groundwork.model.errors import ConfigError

_BLOCK_BYTES = 4 << 20  # measured: larger blocks cost memory and win nothing
_MAX_HEADER_BYTES = 1 << 20


@dataclass(kw_only=True)
class CsvSource:
    """A stream of CSV whose first line names the columns."""

    stream: IO[bytes]
    description: str
    format: str = "csv"
    is_complete: bool = True
    _names: tuple[str, ...] = field(default=(), init=False)
    _places: dict[str, int] = field(default_factory=dict, init=False)
    _absent: frozenset[str] = field(default=frozenset(), init=False)

    def open(self, rules: RowRules) -> tuple[RowError, ...]:
        """Read the header; returns what is wrong with it. Raises: ConfigError when there is none."""
        line = self.stream.readline(_MAX_HEADER_BYTES).removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")
        self._names = tuple(name or "" for name in csv_text.split_record(line.decode("utf-8", "backslashreplace")))
        self._places = usable(rules, self._names)
        self._absent = frozenset(name for name in self._places if is_default_when_null(rules.fields[name]))
        if not self._places:
            raise ConfigError(
                "the first line names no column of the table",
                where=self.description,
                expected=f"a header with names separated by commas, such as {','.join(list(rules.fields)[:6])}",
                found=ascii(line.decode("utf-8", "replace")[:100]),
                next_step="write the names of the columns into the first line, with commas between fields",
            )
        return header_errors(rules, self._names, line=1)

    def reader(self, kind: TypeEngine[Any]) -> Reader:
        """The reader of a field's text."""
        return file_reader_for(kind)

    def views(self) -> tuple[FromClause, ColumnElement[bool], Sequence[View]]:
        """Field n is the text column `f<n>`; an empty field is null."""
        raw = table(RAW, *(column(_field(place)) for place in self._places.values()))
        return raw, yes(), [self._view(name, raw.c[_field(place)]) for name, place in self._places.items()]

    def blocks(self) -> Iterator[Block]:
        """The records after the header."""
        line = 2
        for data in csv_text.blocks(self.stream, _BLOCK_BYTES):
            yield CsvBlock(data=data, first_line=line, width=len(self._names), places=self._places, absent=self._absent)
            line += data.count(b"\n")

    def _view(self, name: str, value: ColumnElement[Any]) -> View:
        return View(
            name=name,
            text=lambda _: value,
            is_null=value.is_(None),
            is_given=value.is_not(None) if name in self._absent else yes(),
            is_kind=lambda kinds: literal_column("true" if Kind.TEXT in kinds else "false"),
        )


@dataclass(frozen=True)
class CsvBlock:
    """Whole records of a file of `width` fields; `places` are the fields that are read, by column."""

    data: bytes
    first_line: int
    width: int
    places: Mapping[str, int]
    absent: frozenset[str]

    @property
    def byte_count(self) -> int:
        """Bytes of the file, unpacked."""
        return len(self.data)

    @property
    def count(self) -> int:
        """Records, broken ones included; blank lines are none."""
        return self._table.num_rows if self._table is not None else len(self._records)

    def table(self) -> Any | None:
        """The fields that are read as text columns, or null when a record is not plain."""
        return self._table

    def row(self, index: int) -> Given:
        """One record; an empty field of a required column with a default is absent."""
        if self._table is not None:
            texts: Sequence[str | None] | Broken = [
                self._table.column(_field(place))[index].as_py() for place in self.places.values()
            ]
        else:
            found = self._records[index][1]
            texts = found if isinstance(found, Broken) else [found[place] for place in self.places.values()]
        if isinstance(texts, Broken):
            return texts
        pairs = zip(self.places, texts, strict=True)
        return {name: text for name, text in pairs if text is not None or name not in self.absent}

    def line(self, index: int) -> int | None:
        """The line on which the record begins."""
        if self._table is not None and self._has_one_line_per_record:
            return self.first_line + index
        return self._records[index][0]

    def lines(self) -> Sequence[int | None]:
        """The lines of all records."""
        if self._has_one_line_per_record:
            return range(self.first_line, self.first_line + self.count)
        return [line for line, _ in self._records]

    @cached_property
    def _table(self) -> Any | None:
        return _plain_table(self.data, self.width, self.places) if is_plain(self.data) else None

    @cached_property
    def _has_one_line_per_record(self) -> bool:
        lines = self.data.count(b"\n") + (not self.data.endswith(b"\n"))
        return self._table is not None and lines == self._table.num_rows

    @cached_property
    def _records(self) -> list[tuple[int, list[str | None] | Broken]]:
        found: list[tuple[int, list[str | None] | Broken]] = []
        place, line = 0, self.first_line
        for raw, fields, reason in csv_text.records(self.data, self.width):
            start = self.data.find(raw, place)
            line += self.data.count(b"\n", place, start)
            place = start
            if fields is None:
                words = reason.message if reason else "a record that cannot be read"
                fix = "write the record with one field per column, and quotes only around whole fields"
                found.append((line, Broken(expected=f"{self.width} fields", found=words, suggestion=fix)))
            else:
                found.append((line, fields))
            line += raw.count(b"\n")
            place += len(raw)
        return found


def is_plain(data: bytes) -> bool:
    r"""Whether quotes stand only around whole fields, and nothing else can be read in two ways.

    >>> is_plain(b'1,"a ""b"", c"\n'), is_plain(b'1,a "b"\n')
    (True, False)
    """
    if b"\x00" in data or data.count(b"\r") != data.count(b"\r\n"):
        return False
    if b'"' not in data:
        return True
    segments = data.split(b'"')
    if len(segments) % 2 == 0:
        return False
    opens = chain([segments[0] == b"" or segments[0].endswith((b",", b"\n"))], map(_may_separate, segments[2:-1:2]))
    last = segments[-1]
    return all(opens) and (last == b"" or last.startswith((b",", b"\n", b"\r\n")))


def _may_separate(segment: bytes) -> bool:
    """Whether the bytes between two quotes are the end of one field and the start of another, or a doubled quote."""
    return segment == b"" or (segment.startswith((b",", b"\n", b"\r\n")) and segment.endswith((b",", b"\n")))


def _plain_table(data: bytes, width: int, places: Mapping[str, int]) -> Any | None:
    import pyarrow as pa
    from pyarrow import csv

    names = [_field(place) for place in range(width)]
    try:
        return csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=True),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=[_field(place) for place in places.values()],
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None


def _field(place: int) -> str:
    return f"f{place}"
