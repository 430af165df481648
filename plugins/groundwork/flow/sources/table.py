"""Tables and queries of other databases as sources, read by a server-side cursor in bounded memory.

What came since the watermark and what lies in a window is asked of the database. With a key, rows come in its order, a
reading can go on behind any batch, and a table with a number for a key can be cut into ranges of it. All rows of one
reading are of one moment.

Parts and a reading that goes on are of several moments. A row that changes between two of them could be missed by both,
and by the next load too, when that begins at the highest watermark that any of them saw. So none of them reads beyond
the watermark that was the highest at the first moment: what changes later is left to the next load as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Select,
    Text,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.types import Integer, NullType

from groundwork.flow.record import Batch, Mark, Source, storable
from groundwork.flow.sources.arrow_text import csv_block, text_array
from groundwork.flow.sources.bounds import at_least, at_most, below
from groundwork.flow.sources.column_batch import ColumnBatch
from groundwork.flow.sources.databases import reading
from groundwork.flow.sources.filling import Filling, FoundField
from groundwork.flow.sources.record_batch import FoundRecord, RecordBatch, unstorable
from groundwork.flow.sources.relation import Relation
from groundwork.flow.sources.row_text import value_text
from groundwork.flow.sources.table_keys import at_or_behind, can_be_marked, key_mark, last_key, marked_key, no_key
from groundwork.flow.sources.table_part import TablePart
from groundwork.flow.sources.text_columns import are_storable, column_texts
from groundwork.flow.window import Window

_LEAST_WIDTH = 1 << 10  # keys of the narrowest range worth a part


@dataclass(kw_only=True)
class TableSource:
    """Rows of `relation`; `types` is the physical type of each target column.

    `watermark` is the source's column that `part` and `window` are about. `is_incremental`: a row that is left out now
    is read by the next load, and takes nothing away from the table.
    """

    name: str
    engine: Engine
    relation: Relation
    filling: Filling
    types: Mapping[str, str]
    batch_rows: int
    watermark: str | None = None
    window: Window | None = None
    part: TablePart = field(default_factory=TablePart)
    is_part: bool = False
    is_incremental: bool = False
    size_bytes: int | None = field(default=None, init=False)
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Connection and table, and the bounds of a part."""
        return self.part.description(self.name) if self.is_part else self.name

    @property
    def fingerprint(self) -> str | None:
        """What a try that goes on shares with the first one; null where a row could be lost between the two."""
        return repr([self.name, self._key_names, self.watermark, self.part]) if self._is_bounded else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the table."""
        return tuple(column for column in self._targets if column is not None)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    @property
    def is_selective(self) -> bool:
        """Yes: fields that fill no column are not even read."""
        return True

    def found_fields(self) -> tuple[FoundField, ...]:
        """The columns of the table with the types of PostgreSQL that hold them; a query's have none."""
        return self._facts[0]

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All rows, `batch_rows` at a time, or those behind a mark.

        Raises: RetriableError when the database is lost; ConfigError when it refuses, or a key has a null.
        """
        self._digest = None
        digest = hashlib.sha256()
        count = len(self.columns)
        last = None if after is None else marked_key(after)
        is_resumed = last is not None
        with reading(self.engine, self.description) as connection:
            until = self._highest(connection) if after is None else after.get("until", self.part.until)
            query = self._query(after, until).execution_options(stream_results=True, yield_per=self.batch_rows)
            with connection.execute(query) as result:
                for rows in result.partitions(self.batch_rows):
                    taken = rows
                    if self._key_names:
                        if is_resumed and tuple(rows[0][count:]) == last:
                            taken = rows[1:]  # the row of the mark itself
                        is_resumed = False
                        last = last_key(last, [tuple(row[count:]) for row in taken], self.description)
                    if not taken:
                        continue
                    batch = self._batch(taken, count, key_mark(last, until))
                    told = batch.block or repr([each.values for each in batch.records(1)]).encode("utf-8", "replace")
                    digest.update(told)
                    yield batch
        if after is None:
            self._digest = digest.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Ranges of a key that is one number, of equal width, together without a gap: open at both ends.

        Widths are powers of two and the edges their multiples, so that a table that grows a little is cut alike.
        """
        if wanted < 2 or not self._is_numbered or self.is_part:
            return (self,)
        with reading(self.engine, self.description) as connection:
            key = self._table.c[self._key_names[0]]
            asked = select(func.min(key), func.max(key)).where(*self._conditions(None))
            found: Any = connection.execute(asked).one()
            lowest, highest = found
            until = self._highest(connection)
        if lowest is None:
            return (self,)
        width = _LEAST_WIDTH
        while int(highest) // width - int(lowest) // width >= wanted:
            width *= 2
        edges = [number * width for number in range(int(lowest) // width + 1, int(highest) // width + 1)]
        if not edges:
            return (self,)
        ranges = zip([None, *edges], [*edges, None], strict=True)
        return tuple(
            replace(self, is_part=True, part=replace(self.part, first_key=first, end_key=end, until=until))
            for first, end in ranges
        )

    def part_named(self, description: str) -> Source | None:
        """The part that `parts` described so, whatever has become of the table since; null when it is none of it."""
        if description == self.name:
            return self
        found = TablePart.described(self.name, description)
        return None if found is None else replace(self, is_part=True, part=found)

    def checksum(self) -> str | None:
        """SHA-256 over the values in the order in which they came."""
        return self._digest

    def _batch(self, rows: Sequence[Any], count: int, mark: Mark | None) -> ColumnBatch | RecordBatch:
        """The rows by columns; one by one where one of them cannot be stored, or is a line without a comma."""
        columns = list(zip(*rows, strict=True))[:count]
        found = [
            column_texts(values, self.types[name], value_text)
            for values, name in zip(columns, self.columns, strict=True)
        ]
        block = csv_block(list(map(text_array, found)), ()) if count > 1 and all(map(are_storable, found)) else None
        if block is not None:
            return ColumnBatch(block=block, header=self._names, mark=mark)
        return RecordBatch(found=tuple(map(self._record, zip(*found, strict=True))), mark=mark)

    def _highest(self, connection: Connection) -> str | None:
        """The watermark beyond which nothing is read; null where nothing has to be left to the next load."""
        if self.part.until is not None or not self._is_bounded:
            return self.part.until
        highest = func.max(self._table.c[str(self.watermark)])
        asked: ColumnElement[Any] = cast(highest, Text) if self.engine.dialect.name == "postgresql" else highest
        return value_text(connection.scalar(select(asked).where(*self._conditions(None))), "text")

    def _query(self, after: Mark | None, until: str | None) -> Select[Any]:
        table, names = self._table, self._names
        is_postgres = self.engine.dialect.name == "postgresql"
        values = [cast(table.c[name], Text) if is_postgres else _raw(table.c[name]) for name in names]
        keys = [table.c[name] if is_postgres else _raw(table.c[name]) for name in self._key_names]
        query = select(*(value.label(f"v{number}") for number, value in enumerate(values)))
        query = query.add_columns(*(key.label(f"k{number}") for number, key in enumerate(keys)))
        query = query.where(*self._conditions(until)).order_by(*keys)
        if after is not None:
            if not keys:
                raise no_key(self.description)
            query = query.where(at_or_behind(keys, marked_key(after)))
        return query

    def _conditions(self, until: str | None) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        dialect = self.engine.dialect.name
        if self.watermark is not None:
            column = self._table.c[self.watermark]
            start = self.window.start if self.window is not None else self.part.since
            if start is not None:
                found.append(at_least(column, start, dialect))
            if self.window is not None and self.window.end is not None:
                found.append(below(column, self.window.end, dialect))
            if until is not None:
                found.append(at_most(column, until, dialect))
        if self._is_numbered:
            key, part = self._table.c[self._key_names[0]], self.part
            found += [key >= literal(part.first_key)] if part.first_key is not None else []
            found += [key < literal(part.end_key)] if part.end_key is not None else []
        return found

    def _record(self, values: tuple[str | None, ...]) -> FoundRecord:
        reasons = (unstorable(name, text) for name, text in zip(self.columns, values, strict=True))
        raw = {name: None if text is None else storable(text) for name, text in zip(self._names, values, strict=True)}
        return values, raw, tuple(each for each in reasons if each)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Names that the source has for the columns."""
        return tuple(each.name for each, column in zip(self.found_fields(), self._targets, strict=True) if column)

    @cached_property
    def _targets(self) -> tuple[str | None, ...]:
        return self.filling.columns_of([each.name for each in self.found_fields()], self.description)

    @property
    def _table(self) -> FromClause:
        return self._facts[1]

    @property
    def _key_names(self) -> tuple[str, ...]:
        return self._facts[2]

    @property
    def _is_numbered(self) -> bool:
        return len(self._key_names) == 1 and isinstance(self._table.c[self._key_names[0]].type, Integer)

    @cached_property
    def _is_bounded(self) -> bool:
        """Whether readings at several moments together lose no row: see the head of this module."""
        if not self.is_incremental or self.watermark is None or self.engine.dialect.name == "sqlite":
            return False
        keys = [self._table.c[name] for name in self._key_names]
        return can_be_marked(keys) and not isinstance(self._table.c[self.watermark].type, NullType)

    @cached_property
    def _facts(self) -> tuple[tuple[FoundField, ...], FromClause, tuple[str, ...]]:
        def ask(connection: Connection) -> tuple[tuple[FoundField, ...], FromClause, tuple[str, ...]]:
            fields, table = self.relation.reflected(connection)
            return fields, table, self.relation.key_of(table, self.name)

        with reading(self.engine, self.name) as connection:
            return ask(connection)


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column as the driver gives it: a database may hold what its declared type does not allow."""
    return type_coerce(column, NullType())
