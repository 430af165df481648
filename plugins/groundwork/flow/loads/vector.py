"""One pass over a block of records that tells the surely good ones from the doubtful, by columns instead of by rows.

The text is taken apart by Arrow and judged by DuckDB, without the server. Good records go on as CSV for COPY, the raw
bytes themselves when all of a block is good; doubtful ones become single records, which the server judges and gives
their reasons. Text that the two sides might read differently (stray quotes, broken encodings, words that COPY takes for
the time of day) is not read here at all: the block is then taken apart record by record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

from groundwork.contracts.contract import TableContract
from groundwork.contracts.derive.types import type_name
from groundwork.flow import csv_text
from groundwork.flow.loads.block import is_line_by_line, is_plain, read_texts
from groundwork.flow.loads.row_checks import finite
from groundwork.flow.loads.vector_rules import Conditions, Reading, condition
from groundwork.flow.loads.verdict import Verdict
from groundwork.flow.record import Batch, Record
from groundwork.flow.sources.arrow_text import text_array
from groundwork.flow.window import Window
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

_NUMBER = "groundwork_number"
_LONGEST_PAUSE = 15  # blocks after which a file with broken records is tried again as one of good ones


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """One batch, taken apart: `count` records in all, of which `outside` lie outside of the load's window.

    `clean` is CSV of the good ones, in the order of the source's columns, with the position before each when
    `has_positions`; otherwise they are consecutive from the batch's first position on. `doubtful` are the others.
    """

    count: int
    clean: bytes
    clean_count: int
    has_positions: bool
    doubtful: tuple[Record, ...]
    outside: int = 0


@dataclass(kw_only=True)
class Sieve:
    """Tells good records from doubtful ones for one table and one source.

    `checks` are those a row must pass; `proven` tells afterwards which of them every clean record passed. `window`
    leaves out what lies outside of it by the column `window_column`; `given` are columns that the load itself fills.
    """

    contract: TableContract
    columns: tuple[str, ...]
    fields: tuple[str | None, ...]
    checks: Sequence[Check]
    given: frozenset[str] = frozenset()
    window: Window | None = None
    window_column: str | None = None
    proven: frozenset[str] = field(init=False)
    _session: duckdb.DuckDBPyConnection | None = field(default=None, init=False, repr=False)
    _skipped: int = field(default=0, init=False, repr=False)
    _to_skip: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self._readings = {
            name: Reading.of(number, type_name(self.contract.column(name))) for number, name in enumerate(self.columns)
        }
        self._doubt = Conditions()
        for reading in self._readings.values():
            if reading.misfit is not None:
                self._doubt.add(reading.misfit)
        proven = {
            check.id
            for check in self.checks
            if self._is_vacuous(check) or condition(check, self._readings, self._doubt)
        }
        proven |= {finite(name) for name, reading in self._readings.items() if reading.misfit is not None}
        proven |= {finite(column.name) for column in self.contract.columns if column.name not in self._readings}
        self.proven = frozenset(proven)
        self._outside = self._window_conditions()
        self._all_wanted = None not in self.fields
        self._wanted = [index for index, name in enumerate(self.fields) if name is not None]

    def close(self) -> None:
        """Give the memory back."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def sift(self, batch: Batch, first: int, *, with_positions: bool) -> Sifted | None:
        """`batch` taken apart; null when its records have to be read one by one.

        `with_positions`: the caller wants to know where each record stood in the source.
        """
        block = batch.block
        if block is None:
            return self._sift_records(batch, first, with_positions=with_positions)
        if len(self.fields) < 2 or not is_plain(block):
            return None
        good = self._count_if_good(block)
        if good is not None:
            return Sifted(count=good, clean=block, clean_count=good, has_positions=False, doubtful=())
        read = read_texts(block, len(self.fields))
        if read is None:
            return None
        table, broken = read
        count = table.num_rows + len(broken)
        numbers = _numbers(count, [number for number, _ in broken])
        wanted = table if self._all_wanted else table.select(self._wanted)
        flags = self._judge(wanted.rename_columns(self._texts), numbers)
        if not flags and not broken and self._all_wanted and is_line_by_line(block, count):
            return Sifted(count=count, clean=block, clean_count=count, has_positions=False, doubtful=())
        header = _header(batch)
        doubtful = [_broken_record(text, first + number, header) for number, text in broken]
        bad = {number for number, is_outside in flags if not is_outside}
        if bad:
            rows = table.filter(_is_among(numbers, bad)).to_pylist()
            for number, row in zip(sorted(bad), rows, strict=True):
                doubtful.append(_doubtful_record(row, first + number, header, self.fields))
        outside = sum(is_outside for _, is_outside in flags)
        clean = _without(wanted, numbers, {number for number, _ in flags})
        doubtful.sort(key=lambda record: record.position)
        return self._sifted(count, outside, clean, doubtful, first, with_positions=with_positions)

    def _count_if_good(self, block: bytes) -> int | None:
        """The number of records when all are good, without a look at each; seldom tried where blocks are not."""
        if self._skipped < self._to_skip:
            self._skipped += 1
            return None
        verdict = self._verdict
        count = verdict.count_if_good(block) if verdict is not None else None
        self._skipped = 0
        self._to_skip = 0 if count is not None else min(2 * self._to_skip + 1, _LONGEST_PAUSE)
        return count

    @cached_property
    def _verdict(self) -> Verdict | None:
        if not self._all_wanted or self._outside.texts:
            return None
        columns = {name: reading.type_name for name, reading in self._readings.items()}
        asked = [check for check in self.checks if check.id in self.proven and not self._is_vacuous(check)]
        return Verdict.of(columns, asked)

    def _sift_records(self, batch: Batch, first: int, *, with_positions: bool) -> Sifted:
        import numpy as np
        import pyarrow as pa

        records = list(batch.records(first))
        doubtful = [record for record in records if record.reasons]
        whole = [record for record in records if not record.reasons]
        columns = zip(*(record.values for record in whole), strict=True) if whole else [() for _ in self.columns]
        table = pa.table({name: text_array(values) for name, values in zip(self._texts, columns, strict=True)})
        numbers = _numbers(len(whole), ())
        flags = self._judge(table, numbers)
        doubtful += [whole[number] for number, is_outside in flags if not is_outside]
        clean = _without(table, numbers, {number for number, _ in flags})
        if clean.num_rows:
            places = [whole[number].position - first for number in clean.column(_NUMBER).to_pylist()]
            clean = clean.set_column(clean.num_columns - 1, _NUMBER, _integers(np.array(places, np.int64)))
        doubtful.sort(key=lambda record: record.position)
        outside = sum(is_outside for _, is_outside in flags)
        return self._sifted(len(records), outside, clean, doubtful, first, with_positions=with_positions)

    def _sifted(
        self, count: int, outside: int, clean: pa.Table, doubtful: list[Record], first: int, *, with_positions: bool
    ) -> Sifted:
        import numpy as np
        from pyarrow import compute, csv

        table = clean.drop_columns([_NUMBER])
        if with_positions:
            position = compute.add(clean.column(_NUMBER), _integers(np.full(clean.num_rows, first, np.int64)))
            table = table.add_column(0, _NUMBER, position)
        sink = BytesIO()
        if table.num_rows:
            csv.write_csv(table, sink, csv.WriteOptions(include_header=False, quoting_style="needed"))
        return Sifted(
            count=count,
            clean=sink.getvalue(),
            clean_count=table.num_rows,
            has_positions=with_positions,
            doubtful=tuple(doubtful),
            outside=outside,
        )

    def _judge(self, table: pa.Table, numbers: Numbers) -> list[tuple[int, bool]]:
        """Number of each record that is not clean, with whether it only lies outside of the window."""
        if not table.num_rows or not (self._doubt.texts or self._outside.texts):
            return []
        session = self._duckdb()
        session.register("block", table.append_column(_NUMBER, _integers(numbers)))
        parameters = [*self._outside.parameters, *self._outside.parameters, *self._doubt.parameters]
        try:
            return session.execute(self._question, parameters).fetchall()
        finally:
            session.unregister("block")

    @cached_property
    def _question(self) -> str:
        values = "".join(
            f", {each.typed.value} AS {each.value}" for each in self._readings.values() if each.value != each.text
        )
        outside = " OR ".join(f"({text})" for text in self._outside.texts) or "false"
        doubt = " OR ".join(f"({text})" for text in self._doubt.texts) or "false"
        return (
            f"SELECT {_NUMBER}, coalesce({outside}, false) FROM "  # noqa: S608  names and rules of our own making
            f"(SELECT {_NUMBER}, {', '.join(self._texts)}{values} FROM block) WHERE {outside} OR {doubt} ORDER BY 1"
        )

    def _is_vacuous(self, check: Check) -> bool:
        """Whether the check's column is none of the source: its nulls satisfy it, or the load itself fills it."""
        if check.kind is CheckKind.NOT_NULL and set(check.columns) <= self.given:
            return True
        return check.kind in _OF_ONE_VALUE and not set(check.columns) & set(self.columns)

    @property
    def _texts(self) -> list[str]:
        return [reading.text for reading in self._readings.values()]

    def _window_conditions(self) -> Conditions:
        """True for a record that surely lies outside of the window; one that cannot be read does not."""
        found = Conditions()
        name = self.window_column
        if self.window is None or name is None or name not in self._readings:
            return found
        reading = self._readings[name]
        if self.window.start is not None:
            found.add(f"{reading.value} < CAST(? AS {reading.typed.kind})", self.window.start)
        if self.window.end is not None:
            found.add(f"{reading.value} >= CAST(? AS {reading.typed.kind})", self.window.end)
        return found

    def _duckdb(self) -> duckdb.DuckDBPyConnection:
        if self._session is None:
            import duckdb

            options: dict[str, str | bool | int | float | list[str]] = {
                "threads": 1,
                "memory_limit": "256MB",
                "enable_external_access": False,
            }
            self._session = duckdb.connect(":memory:", config=options)
            self._session.execute("SET TimeZone = 'UTC'")
        return self._session


_OF_ONE_VALUE = (CheckKind.IN_SET, CheckKind.BETWEEN, CheckKind.LENGTH, CheckKind.MATCHES)


def _numbers(count: int, without: Sequence[int]) -> Numbers:
    """0 to `count`, but for those left out."""
    import numpy as np

    numbers = np.arange(count, dtype=np.int64)
    return np.delete(numbers, list(without)) if without else numbers


def _without(table: pa.Table, numbers: Numbers, bad: set[int]) -> pa.Table:
    """The good rows, with their numbers as the last column."""
    numbered = table.append_column(_NUMBER, _integers(numbers))
    return numbered.filter(_is_among(numbers, bad, is_wanted=False)) if bad else numbered


def _integers(numbers: Numbers) -> pa.Array:
    """As Arrow has them; made of the buffer, because `pyarrow.array` imports pandas, which costs a second and 50 MB."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


def _is_among(numbers: Numbers, chosen: set[int], *, is_wanted: bool = True) -> pa.Array:
    """For each number whether it is one of the chosen, or, unless `is_wanted`, whether it is none of them."""
    import numpy as np
    import pyarrow as pa

    found = np.isin(numbers, list(chosen), invert=not is_wanted)
    return pa.Array.from_buffers(pa.bool_(), len(found), [None, pa.py_buffer(np.packbits(found, bitorder="little"))])


def _header(batch: Batch) -> tuple[str, ...]:
    header: tuple[str, ...] = getattr(batch, "header", ())
    return header


def _broken_record(text: str, position: int, header: Sequence[str]) -> Record:
    _, _, reason = next(csv_text.records(text.encode(), len(header)))
    return Record(position=position, values=(), raw={"line": text}, reasons=(reason,) if reason else ())


def _doubtful_record(row: dict[str, Any], position: int, header: Sequence[str], fields: Sequence[str | None]) -> Record:
    found = list(row.values())
    values = tuple(value for value, name in zip(found, fields, strict=True) if name is not None)
    return Record(position=position, values=values, raw=dict(zip(header, found, strict=True)))
