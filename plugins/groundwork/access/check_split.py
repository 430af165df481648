"""Blocks of a source into rows that are good and rows that are not: together where that is possible, else one by one.

What comes out is one form for all formats: an Arrow table with the row's number (`row`), its line (`line`), for each
column wanted its canonical text (`k<n>`), and for saving its input text (`s<n>`) and whether it was given (`g<n>`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from sqlalchemy import ColumnElement, and_, case, func, not_, select

from groundwork.access.check_blocks import RAW, Block, Broken, RowSource, Source, View
from groundwork.access.check_errors import Errors
from groundwork.access.check_plain import plain
from groundwork.access.check_text import canonical, input_text
from groundwork.access.check_types import Plain, compiled_sql, no, yes
from groundwork.access.errors import FieldError
from groundwork.access.validation import Field, RowRules


@dataclass(frozen=True, kw_only=True)
class Split:
    """The rows of one block that could be read.

    `good` meet every rule of their fields. `partial` do not; what is broken in them is null, and `broken` names those
    columns by row number.
    """

    count: int
    byte_count: int
    good: Any
    partial: Any
    broken: Mapping[int, frozenset[str]]


@dataclass(kw_only=True)
class Splitter:
    """Reads the blocks of one source; errors go to `errors`.

    `numbers` gives each column of the table its n; `wanted` columns get their canonical text. Without `vectorised`
    every row is read one by one, which finds the same and is slower.
    """

    source: Source
    rules: RowRules
    errors: Errors
    wanted: frozenset[str]
    for_saving: bool
    vectorised: bool = True
    ignored: frozenset[str] = field(default=frozenset())
    _rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.numbers = {name: number for number, name in enumerate(self.rules.fields)}
        self._duck = duckdb.connect(config={"threads": 2})
        self._duck.execute("SET TimeZone = 'UTC'")
        is_tabular = self.vectorised and not isinstance(self.source, RowSource)
        self._query = self._split_query() if is_tabular else None

    def splits(self) -> Iterator[Split]:
        """Every block, in order."""
        for block in self.source.blocks():
            if block.count:
                first = self._rows + 1
                self._rows += block.count
                yield self._split(block, first)
        self._duck.close()

    def _split(self, block: Block, first: int) -> Split:
        import pyarrow as pa
        import pyarrow.compute as pc

        raw = block.table() if self._query is not None else None
        if raw is None:
            good, partial, broken = self._one_by_one(block, first, range(block.count))
            return Split(count=block.count, byte_count=block.byte_count, good=good, partial=partial, broken=broken)
        self._duck.register(RAW, raw)
        found = self._duck.sql(str(self._query)).to_arrow_table()
        self._duck.unregister(RAW)
        clean = found.column("clean")
        doubtful = pc.indices_nonzero(pc.invert(clean)).to_pylist()
        numbered = found.drop_columns(["clean"]).append_column("row", pa.array(range(first, first + block.count)))
        numbered = numbered.append_column("line", pa.array(block.lines(), pa.int64()))
        plain_rows = numbered.filter(clean) if doubtful else numbered
        good, partial, broken = self._one_by_one(block, first, doubtful)
        if good.num_rows:
            plain_rows = pa.concat_tables([plain_rows.select(good.column_names), good])
        return Split(count=block.count, byte_count=block.byte_count, good=plain_rows, partial=partial, broken=broken)

    def _one_by_one(
        self, block: Block, first: int, indices: Sequence[int]
    ) -> tuple[Any, Any, dict[int, frozenset[str]]]:
        good: list[tuple[int, int | None, Mapping[str, object]]] = []
        partial: list[tuple[int, int | None, Mapping[str, object]]] = []
        broken: dict[int, frozenset[str]] = {}
        for index in indices:
            number = first + index
            row = block.row(index)
            self.rules.suggests = self.errors.wants_detail
            if isinstance(row, Broken):
                self.errors.add_record(number, block.line(index), row)
                continue
            found: list[FieldError] = []
            read = self.rules.read_row(number, row, found)
            found = [error for error in found if error.column not in self.ignored]
            place = (number, block.line(index), read)
            if found:
                self.errors.add_fields(number, place[1], found)
                broken[number] = frozenset(error.column for error in found if error.column)
                partial.append(place)
            else:
                good.append(place)
        return self._table(good), self._table(partial), broken

    def _table(self, rows: Sequence[tuple[int, int | None, Mapping[str, object]]]) -> Any:
        import pyarrow as pa

        columns: dict[str, Any] = {}
        for name, each in self.rules.fields.items():
            number = self.numbers[name]
            if name in self.wanted:
                texts = [canonical(row.get(name), each.kind) for _, _, row in rows]
                columns[f"k{number}"] = pa.array(texts, pa.string())
            if self.for_saving and not each.is_server_made:
                texts = [input_text(row.get(name), each.kind) for _, _, row in rows]
                columns[f"s{number}"] = pa.array(texts, pa.string())
                columns[f"g{number}"] = pa.array([name in row for _, _, row in rows], pa.bool_())
        columns["row"] = pa.array([number for number, _, _ in rows], pa.int64())
        columns["line"] = pa.array([line for _, line, _ in rows], pa.int64())
        return pa.table(columns)

    def _split_query(self) -> str:
        table, is_row, views = self.source.views()
        seen = {view.name: view for view in views}
        conditions = [is_row, *(_is_good(view, self.rules.fields[view.name]) for view in views)]
        columns: list[ColumnElement[Any]] = [func.coalesce(and_(*conditions), no()).label("clean")]
        for name, each in self.rules.fields.items():
            columns += self._outputs(each, plain(each), seen.get(name))
        return compiled_sql(select(*columns).select_from(table))

    def _outputs(self, each: Field, seen: Plain | None, view: View | None) -> Iterator[ColumnElement[Any]]:
        from sqlalchemy import Text, cast, null

        number = self.numbers[each.name]
        nothing: ColumnElement[Any] = cast(null(), Text)
        text = nothing if view is None else case((view.is_null, nothing), else_=view.text(each))
        if each.name in self.wanted:
            is_known = view is not None and seen is not None
            known = case((view.is_null, nothing), else_=seen.text(view.text(each))) if is_known else nothing  # type: ignore[union-attr]
            yield known.label(f"k{number}")
        if self.for_saving and not each.is_server_made:
            yield text.label(f"s{number}")
            yield (view.is_given if view is not None else no()).label(f"g{number}")


def _is_good(view: View, each: Field) -> ColumnElement[bool]:
    """Whether a value needs no second look; a row may lack what it need not have."""
    if each.is_server_made:
        return not_(view.is_given)
    absent = no() if each.must_be_given else yes()
    null = no() if each.is_required else yes()
    seen = plain(each)
    present = no() if seen is None else and_(view.is_kind(seen.kinds), seen.holds(view.text(each)))
    return case((not_(view.is_given), absent), (view.is_null, null), else_=present)
