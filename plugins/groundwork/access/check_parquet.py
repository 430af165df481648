"""Parquet as rows to check: one batch at a time, each value with the type that the file gives it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, FromClause, column, literal_column, table
from sqlalchemy.types import TypeEngine

from groundwork.access.check_blocks import RAW, Block, Given, View, header_errors, is_default_when_null, usable
from groundwork.access.check_report import RowError
from groundwork.access.check_text import file_reader_for
from groundwork.access.check_types import Kind, cast_text, yes
from groundwork.access.validation import RowRules
from groundwork.access.values import Reader
from groundwork.model.errors import ConfigError

_BATCH_ROWS = 50_000


@dataclass(kw_only=True)
class ParquetSource:
    """A Parquet file; `file` is a path or an open file that can be searched."""

    file: Any
    description: str
    format: str = "parquet"
    is_complete: bool = True
    _names: tuple[str, ...] = field(default=(), init=False)
    _places: dict[str, int] = field(default_factory=dict, init=False)
    _absent: frozenset[str] = field(default=frozenset(), init=False)
    _parquet: Any = field(default=None, init=False)

    def open(self, rules: RowRules) -> tuple[RowError, ...]:
        """Read the file's schema; returns what is wrong with its columns. Raises: ConfigError when it is no Parquet."""
        import pyarrow as pa
        from pyarrow import parquet

        try:
            self._parquet = parquet.ParquetFile(self.file)
        except (pa.ArrowException, OSError) as error:
            raise ConfigError(
                "the file is not Parquet",
                where=self.description,
                found=str(error)[:200],
                next_step="name its format by --format, or write it again",
            ) from error
        self._names = tuple(self._parquet.schema_arrow.names)
        self._places = usable(rules, self._names)
        self._absent = frozenset(name for name in self._places if is_default_when_null(rules.fields[name]))
        return header_errors(rules, self._names, line=None)

    def reader(self, kind: TypeEngine[Any]) -> Reader:
        """The reader of values; text is read as in a file of text."""
        return file_reader_for(kind)

    def views(self) -> tuple[FromClause, ColumnElement[bool], Sequence[View]]:
        """Column n of those that are read is `f<n>`."""
        raw = table(RAW, *(column(f"f{place}") for place in self._places.values()))
        return raw, yes(), [self._view(name, raw.c[f"f{place}"]) for name, place in self._places.items()]

    def blocks(self) -> Iterator[Block]:
        """Batches of the file. Raises: ConfigError when the file is damaged."""
        import pyarrow as pa

        order = list(self._places.items())
        try:
            for batch in self._parquet.iter_batches(_BATCH_ROWS, columns=[name for name, _ in order]):
                columns = {name: batch.column(name) for name, _ in order}
                arrays = [columns[name] for name, _ in order]
                found = pa.Table.from_arrays(arrays, names=[f"f{place}" for _, place in order])
                yield ParquetBlock(found=found, order=tuple(order), absent=self._absent)
        except (pa.ArrowException, OSError) as error:
            raise ConfigError(
                "the file is damaged", where=self.description, found=str(error)[:200], next_step="write it again"
            ) from error

    def _view(self, name: str, value: ColumnElement[Any]) -> View:
        kind = _kind(self._parquet.schema_arrow.field(self._names.index(name)).type)
        return View(
            name=name,
            text=lambda _: cast_text(value),
            is_null=value.is_(None),
            is_given=value.is_not(None) if name in self._absent else yes(),
            is_kind=lambda kinds: literal_column("true" if kind in kinds else "false"),
        )


@dataclass(frozen=True, kw_only=True)
class ParquetBlock:
    """One batch."""

    found: Any
    order: tuple[tuple[str, int], ...]
    absent: frozenset[str]

    @property
    def count(self) -> int:
        """Rows."""
        return int(self.found.num_rows)

    @property
    def byte_count(self) -> int:
        """Bytes in memory, about those of the unpacked file."""
        return int(self.found.nbytes)

    def table(self) -> Any:
        """The batch itself."""
        return self.found

    def row(self, index: int) -> Given:
        """One row; a null in a required column with a default is absent."""
        values = {name: self.found.column(f"f{place}")[index].as_py() for name, place in self.order}
        return {name: value for name, value in values.items() if value is not None or name not in self.absent}

    def line(self, _: int) -> None:
        """There are no lines."""
        return

    def lines(self) -> Sequence[None]:
        """There are none."""
        return [None] * self.count


def _kind(arrow: Any) -> Kind | None:
    import pyarrow as pa

    tests = (
        (pa.types.is_string, Kind.TEXT),
        (pa.types.is_large_string, Kind.TEXT),
        (pa.types.is_boolean, Kind.BOOLEAN),
        (pa.types.is_integer, Kind.NUMBER),
        (pa.types.is_decimal128, Kind.NUMBER),
        (pa.types.is_float64, Kind.NUMBER),
        (pa.types.is_date32, Kind.DATE),
        (lambda kind: pa.types.is_timestamp(kind) and kind.unit != "ns" and kind.tz is not None, Kind.MOMENT),
        (lambda kind: pa.types.is_timestamp(kind) and kind.unit != "ns" and kind.tz is None, Kind.LOCAL_MOMENT),
    )
    return next((kind for test, kind in tests if test(arrow)), None)
