"""JSON as rows to check: one object per line, or objects one after another or in one list.

Both are cut into texts of single objects first, which DuckDB takes apart together and Python one by one. What Python's
reader refuses is no row; what DuckDB reads more generously than it is left to Python.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any

from sqlalchemy import ColumnElement, FromClause, and_, case, column, func, literal, literal_column, or_, select, table
from sqlalchemy.types import JSON, TypeEngine

from groundwork.access.check_blocks import RAW, Block, Given, RowBlock, View
from groundwork.access.check_report import RowError
from groundwork.access.check_spans import MAX_OBJECT_BYTES, Spans, parsed
from groundwork.access.check_types import Kind, json_pointer, number_is_tame
from groundwork.access.validation import Field, RowRules
from groundwork.access.values import Reader, reader_for
from groundwork.flow.csv_text import MAX_RECORD_BYTES

_BLOCK_BYTES = 4 << 20
_FIRST_LETTERS = {
    Kind.STRING: ['"'],
    Kind.NUMBER: [*"-0123456789"],
    Kind.BOOLEAN: ["t", "f"],
    Kind.DOCUMENT: ["{", "["],
}


@dataclass(kw_only=True)
class JsonSource:
    """A stream of JSON objects; with `by_lines` each line is one, else they follow one another or stand in a list."""

    stream: IO[bytes]
    description: str
    by_lines: bool
    format: str = field(default="json", init=False)
    is_complete: bool = True
    _fields: list[Field] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.format = "jsonl" if self.by_lines else "json"

    def open(self, rules: RowRules) -> tuple[RowError, ...]:
        """Nothing is known before the first object."""
        self._fields = list(rules.fields.values())
        return ()

    def reader(self, kind: TypeEngine[Any]) -> Reader:
        """The reader of JSON values."""
        return reader_for(kind)

    def views(self) -> tuple[FromClause, ColumnElement[bool], Sequence[View]]:
        """Each column is the value of its key; a row has no other keys, and none twice."""
        raw = table(RAW, column("line"))
        paths = func.list_value(*(literal(json_pointer(each.name)) for each in self._fields))
        document: ColumnElement[Any] = case((func.json_valid(raw.c.line), raw.c.line), else_=None)
        inner = select(
            raw.c.line,
            func.json_extract(document, paths).label("found"),
            func.len(func.json_keys(document)).label("key_count"),
            func.json_type(document).label("kind"),
        ).subquery("taken_apart")
        values = [_item(inner.c.found, place) for place, _ in enumerate(self._fields, 1)]
        given: ColumnElement[Any] = literal_column("0")
        for value in values:
            given = given + case((value.is_not(None), literal_column("1")), else_=literal_column("0"))
        is_row = and_(inner.c.kind == "OBJECT", inner.c.key_count == given, number_is_tame(inner.c.line))
        return inner, is_row, [_view(each.name, value) for each, value in zip(self._fields, values, strict=True)]

    def blocks(self) -> Iterator[Block]:
        """The objects, and what stands where one should."""
        yield from self._line_blocks() if self.by_lines else self._span_blocks()

    def _line_blocks(self) -> Iterator[Block]:
        first = 1
        pending = b""
        while True:
            chunk = self.stream.read(_BLOCK_BYTES)
            pending += chunk
            cut = pending.rfind(b"\n") + 1 if chunk and len(pending) < MAX_OBJECT_BYTES else len(pending)
            if cut:
                data, pending = pending[:cut], pending[cut:]
                yield JsonBlock.of_lines(data.removeprefix(codecs.BOM_UTF8) if first == 1 else data, first)
                first += data.count(b"\n")
            if not chunk:
                return

    def _span_blocks(self) -> Iterator[Block]:
        spans = Spans(self.stream)
        texts: list[bytes] = []
        lines: list[int] = []
        size = 0
        for text, line in spans:
            encoded = text.encode("utf-8", "surrogatepass")
            texts.append(encoded)
            lines.append(line)
            size += len(encoded)
            if size >= _BLOCK_BYTES:
                yield JsonBlock(texts=texts, starts=lines)
                texts, lines, size = [], [], 0
        if texts:
            yield JsonBlock(texts=texts, starts=lines)
        if spans.broken is not None:
            self.is_complete = False
            yield RowBlock(rows=[spans.broken], starts=[spans.line])


@dataclass(frozen=True, kw_only=True)
class JsonBlock:
    """Texts of JSON values with the lines they begin on."""

    texts: list[bytes]
    starts: list[int]

    @classmethod
    def of_lines(cls, data: bytes, first: int) -> JsonBlock:
        """The lines of `data` that are not blank."""
        found = [(line, text) for line, text in enumerate(data.split(b"\n"), first) if text.strip()]
        return cls(texts=[text for _, text in found], starts=[line for line, _ in found])

    @property
    def count(self) -> int:
        """Values."""
        return len(self.texts)

    @property
    def byte_count(self) -> int:
        """Bytes of the texts."""
        return sum(map(len, self.texts)) + len(self.texts)

    def table(self) -> Any | None:
        """One text column `line`, or null when a text is not UTF-8."""
        return self._table

    def row(self, index: int) -> Given:
        """One object; a broken text says what is wrong with it."""
        return parsed(self.texts[index])

    def line(self, index: int) -> int | None:
        """The line on which the value begins."""
        return self.starts[index]

    def lines(self) -> Sequence[int]:
        """The lines of all values."""
        return self.starts

    @cached_property
    def _table(self) -> Any | None:
        import pyarrow as pa

        if any(len(text) > MAX_RECORD_BYTES for text in self.texts):
            return None
        try:
            return pa.table({"line": pa.array(self.texts, pa.binary()).cast(pa.string())})
        except pa.ArrowInvalid:
            return None


def _item(found: ColumnElement[Any], place: int) -> ColumnElement[Any]:
    return func.list_extract(found, literal_column(str(place)))


def _view(name: str, value: ColumnElement[Any]) -> View:
    def text(each: Field) -> ColumnElement[Any]:
        is_document = isinstance(each.kind, JSON)
        return func.concat(value) if is_document else func.json_extract_string(value, literal("$"))

    def is_kind(kinds: frozenset[Kind]) -> ColumnElement[bool]:
        letters = [letter for kind in kinds for letter in _FIRST_LETTERS.get(kind, ())]
        return func.left(func.concat(value), literal_column("1")).in_(sorted(letters))

    return View(
        name=name,
        text=text,
        is_null=or_(value.is_(None), func.concat(value) == "null"),
        is_given=value.is_not(None),
        is_kind=is_kind,
    )
