"""Tables and queries of other databases as sources, read by a server-side cursor in bounded memory.

What came since the watermark and what lies in a window is asked of the database. With a key, rows come in its order, a
reading can go on behind any batch, and a table with a number for a key can be cut into ranges of it. All rows of one
reading are of one moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
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
    tuple_,
    type_coerce,
)
from sqlalchemy.types import Integer, NullType

from groundwork.flow.record import Batch, Mark, Source, storable
from groundwork.flow.sources.bounds import at_least, below
from groundwork.flow.sources.databases import reading
from groundwork.flow.sources.filling import Filling, FoundField
from groundwork.flow.sources.key_text import from_json, to_json
from groundwork.flow.sources.record_batch import FoundRecord, RecordBatch, unstorable
from groundwork.flow.sources.relation import Relation
from groundwork.flow.sources.row_text import value_text
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError

_LEAST_WIDTH = 1 << 10  # keys of the narrowest range worth a part


@dataclass(kw_only=True)
class TableSource:
    """Rows of `relation`; `types` is the physical type of each target column.

    `watermark` is the source's column that `since` and `window` are about. `first_key` and `end_key` are the half-open
    range of the key that a part holds, null is open.
    """

    name: str
    engine: Engine
    relation: Relation
    filling: Filling
    types: Mapping[str, str]
    batch_rows: int
    watermark: str | None = None
    since: str | None = None
    window: Window | None = None
    first_key: int | None = None
    end_key: int | None = None
    size_bytes: int | None = field(default=None, init=False)
    fingerprint: str | None = field(default=None, init=False)
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Connection and table, and the keys of a part."""
        if self.first_key is None and self.end_key is None:
            return self.name
        bounds = [f">= {self.first_key}"] if self.first_key is not None else []
        bounds += [f"< {self.end_key}"] if self.end_key is not None else []
        return f"{self.name} {self._key_names[0]} {' and '.join(bounds)}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the table."""
        return tuple(column for column in self._targets if column is not None)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

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
        last = None if after is None else tuple(from_json(value) for value in after["key"])
        is_resumed = last is not None
        with reading(self.engine, self.description) as connection:
            query = self._query(after).execution_options(stream_results=True, yield_per=self.batch_rows)
            with connection.execute(query) as result:
                for rows in result.partitions(self.batch_rows):
                    taken = rows
                    if self._key_names:
                        if is_resumed and tuple(rows[0][count:]) == last:
                            taken = rows[1:]  # the row of the mark itself
                        is_resumed = False
                        last = self._last_key(last, [tuple(row[count:]) for row in taken])
                    if not taken:
                        continue
                    found = tuple(self._record(row[:count]) for row in taken)
                    digest.update(repr([values for values, _, _ in found]).encode("utf-8", "backslashreplace"))
                    yield RecordBatch(found=found, mark=_mark(last))
        if after is None:
            self._digest = digest.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Ranges of a key that is one number, of equal width; rows that come later fall into the last one.

        Widths are powers of two and the edges their multiples, so that a table that grows a little is cut alike.
        """
        if wanted < 2 or not self._is_numbered or self.first_key is not None or self.end_key is not None:
            return (self,)
        with reading(self.engine, self.description) as connection:
            key = self._table.c[self._key_names[0]]
            found: Any = connection.execute(select(func.min(key), func.max(key)).where(*self._conditions())).one()
            lowest, highest = found
        if lowest is None:
            return (self,)
        width = _LEAST_WIDTH
        while int(highest) // width - int(lowest) // width >= wanted:
            width *= 2
        edges = [number * width for number in range(int(lowest) // width + 1, int(highest) // width + 1)]
        if not edges:
            return (self,)
        ranges = zip([None, *edges], [*edges, None], strict=True)
        return tuple(replace(self, first_key=first, end_key=end) for first, end in ranges)

    def checksum(self) -> str | None:
        """SHA-256 over the values in the order in which they came."""
        return self._digest

    def _query(self, after: Mark | None) -> Select[Any]:
        table = self._table
        names = [each.name for each, column in zip(self.found_fields(), self._targets, strict=True) if column]
        is_postgres = self.engine.dialect.name == "postgresql"
        values = [cast(table.c[name], Text) if is_postgres else _raw(table.c[name]) for name in names]
        keys = [table.c[name] if is_postgres else _raw(table.c[name]) for name in self._key_names]
        query = select(*(value.label(f"v{number}") for number, value in enumerate(values)))
        query = query.add_columns(*(key.label(f"k{number}") for number, key in enumerate(keys)))
        query = query.where(*self._conditions()).order_by(*keys)
        if after is not None:
            if not keys:
                raise _no_key(self.description)
            query = query.where(_from(keys, [from_json(value) for value in after["key"]]))
        return query

    def _conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        dialect = self.engine.dialect.name
        if self.watermark is not None:
            column = self._table.c[self.watermark]
            start = self.window.start if self.window is not None else self.since
            if start is not None:
                found.append(at_least(column, start, dialect))
            if self.window is not None and self.window.end is not None:
                found.append(below(column, self.window.end, dialect))
        if self._is_numbered:
            key = self._table.c[self._key_names[0]]
            found += [key >= literal(self.first_key)] if self.first_key is not None else []
            found += [key < literal(self.end_key)] if self.end_key is not None else []
        return found

    def _last_key(self, last: tuple[Any, ...] | None, keys: Sequence[tuple[Any, ...]]) -> tuple[Any, ...] | None:
        """The last of the keys, which follow `last`; raises ConfigError when they do not tell rows apart."""
        if any(None in key for key in keys) or any(one == other for one, other in pairwise([last, *keys])):
            raise ConfigError(
                "the key of the source does not tell its rows apart",
                where=f"{self.description}, source.key",
                expected="columns that are never null and together unique",
                found="a null" if any(None in key for key in keys) else "the same key twice",
                next_step="declare another `source.key`, or an empty one to read without",
            )
        return keys[-1] if keys else last

    def _record(self, row: Sequence[Any]) -> FoundRecord:
        values = tuple(value_text(value, self.types[name]) for value, name in zip(row, self.columns, strict=True))
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
    def _facts(self) -> tuple[tuple[FoundField, ...], FromClause, tuple[str, ...]]:
        def ask(connection: Connection) -> tuple[tuple[FoundField, ...], FromClause, tuple[str, ...]]:
            fields, table = self.relation.reflected(connection)
            return fields, table, self.relation.key_of(table, self.name)

        with reading(self.engine, self.name) as connection:
            return ask(connection)


def _raw(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column as the driver gives it: a database may hold what its declared type does not allow."""
    return type_coerce(column, NullType())


def _mark(key: tuple[Any, ...] | None) -> Mark | None:
    texts = [to_json(value) for value in key or ()]
    return {"key": texts} if texts and None not in texts else None


def _from(keys: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    if len(keys) == 1:
        return keys[0] >= _literal(values[0], keys[0])
    return tuple_(*keys) >= tuple_(*(_literal(value, key) for key, value in zip(keys, values, strict=True)))


def _literal(value: Any, key: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(value) if isinstance(key.type, NullType) else literal(value, key.type)


def _no_key(where: str) -> ConfigError:
    return ConfigError(
        "a source without a key cannot be read from the middle",
        where=where,
        next_step="declare `source.key`, or start the load again",
    )
