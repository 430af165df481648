"""The values by which rows are compared with one another, kept on disk so that memory does not grow with the input.

One DuckDB file per check, in a temporary folder that is gone at the end: the row's number, its line, and the canonical
text of each column that a key or a reference mentions.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import (
    ColumnElement,
    and_,
    column,
    func,
    select,
    table,
)

from groundwork.access.check_types import compiled_sql

_MEMORY = "96MB"  # beyond it DuckDB writes to its folder
_FETCHED = 20_000
_STORE = "stored"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A row with the texts of the columns asked for; `first` is the row that had the same texts before, else null."""

    row: int
    line: int | None
    texts: tuple[str | None, ...]
    first: int | None = None
    first_line: int | None = None


class RowStore:
    """Use as a context: the folder is removed at its end. `numbers` gives each column of the table its n."""

    def __init__(self, columns: Sequence[str], numbers: Mapping[str, int]) -> None:
        self._keys = {name: f"k{numbers[name]}" for name in columns}

    def __enter__(self) -> RowStore:
        self._folder = Path(tempfile.mkdtemp(prefix="groundwork-check-"))
        config: dict[str, Any] = {"threads": 2, "memory_limit": _MEMORY, "preserve_insertion_order": "false"}
        self._duck = duckdb.connect(str(self._folder / "rows.duckdb"), config=config)
        self._duck.execute("SET temp_directory = ?", [str(self._folder / "spill")])
        columns = ", ".join(
            ["row BIGINT", "line BIGINT", "whole BOOLEAN", *(f"{key} VARCHAR" for key in self._keys.values())]
        )
        self._duck.execute(f"CREATE TABLE {_STORE} ({columns})")
        self._table = table(
            _STORE, *map(column, ("row", "line", "whole")), *(column(key) for key in self._keys.values())
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._duck.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, rows: Any, *, whole: bool) -> None:
        """Keep the rows of an Arrow table that has `row`, `line` and the `k<n>` of every column.

        Rows that are not `whole` have null also for what could not be read.
        """
        if rows.num_rows and self._keys:
            self._duck.register("incoming", rows.select(["row", "line", *self._keys.values()]))
            names = ", ".join(self._keys.values())
            insert = f"INSERT INTO {_STORE} SELECT row, line, ?, {names} FROM incoming"  # noqa: S608  names of ours
            self._duck.execute(insert, [whole])
            self._duck.unregister("incoming")

    def repeated(self, columns: Sequence[str], *, with_nulls: bool) -> Iterator[Found]:
        """Every row whose texts in `columns` an earlier row has, in order of rows."""
        stored = self._table
        keys = [stored.c[self._keys[name]] for name in columns]
        present: list[ColumnElement[Any]] = [stored.c.whole] if with_nulls else [key.is_not(None) for key in keys]
        first, at = func.min(stored.c.row), func.arg_min(stored.c.line, stored.c.row)
        groups = select(*keys, first.label("first"), at.label("at"))
        several = groups.where(*present).group_by(*keys).having(func.count() > 1).subquery("several")
        same = and_(*(several.c[key.name].is_not_distinct_from(key) for key in keys))
        query = (
            select(stored.c.row, stored.c.line, several.c.first, several.c.at, *keys)
            .select_from(stored.join(several, same))
            .where(stored.c.row != several.c.first, *present)
            .order_by(stored.c.row)
        )
        for row, line, earlier, earlier_line, *texts in self._fetched(compiled_sql(query)):
            yield Found(row=row, line=line, texts=tuple(texts), first=earlier, first_line=earlier_line)

    def distinct(self, columns: Sequence[str]) -> Iterator[list[tuple[str, ...]]]:
        """The different texts of `columns` without nulls, some thousand at a time."""
        keys = [self._table.c[self._keys[name]] for name in columns]
        query = select(*keys).where(*(key.is_not(None) for key in keys)).distinct()
        batch: list[tuple[str, ...]] = []
        for texts in self._fetched(compiled_sql(query)):
            batch.append(tuple(texts))
            if len(batch) == _FETCHED:
                yield batch
                batch = []
        if batch:
            yield batch

    def with_texts(self, columns: Sequence[str], wanted: Sequence[tuple[str, ...]]) -> Iterator[Found]:
        """Every row whose texts in `columns` are among `wanted`, in order of rows."""
        import pyarrow as pa

        names = [self._keys[name] for name in columns]
        arrays = {name: pa.array([texts[place] for texts in wanted], pa.string()) for place, name in enumerate(names)}
        other = table("wanted", *(column(name) for name in names))
        same = and_(*(self._table.c[name] == other.c[name] for name in names))
        picked = [self._table.c.row, self._table.c.line, *(self._table.c[name] for name in names)]
        query = select(*picked).select_from(self._table.join(other, same)).order_by(self._table.c.row)
        for row, line, *texts in self._fetched(compiled_sql(query), wanted=pa.table(arrays)):
            yield Found(row=row, line=line, texts=tuple(texts))

    def contains(self, columns: Sequence[str], wanted: Sequence[tuple[str, ...]]) -> set[tuple[str | None, ...]]:
        """Those of `wanted` that some row has in `columns`."""
        return {found.texts for found in self.with_texts(columns, wanted)}

    def _fetched(self, query: str, **tables: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, which may read the Arrow `tables` by their names."""
        cursor = self._duck.cursor()  # one of its own: the caller may ask again while it reads
        for name, found in tables.items():
            cursor.register(name, found)
        cursor.execute(query)
        while rows := cursor.fetchmany(_FETCHED):
            yield from rows
        cursor.close()
