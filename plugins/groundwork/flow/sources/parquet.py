"""Parquet files as sources: row group by row group, in bounded memory, every value exactly as it is.

Arrow turns columns into text as PostgreSQL reads it; lists and structures go through JSON or array text one by one. A
number of nanoseconds finer than PostgreSQL's microseconds is rounded by the server, as any number with more decimals
than its column keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from groundwork.flow.record import Batch, Mark, Source
from groundwork.flow.sources.arrow_text import column_type, csv_block, texts
from groundwork.flow.sources.column_batch import ColumnBatch
from groundwork.flow.sources.filling import Filling, FoundField
from groundwork.flow.sources.origin import Origin
from groundwork.flow.sources.record_batch import RecordBatch, unstorable
from groundwork.model.errors import ConfigError, RetriableError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

_BUFFER_BYTES = 1 << 20  # of a column that is read at a time, instead of the whole column of a row group


@dataclass(kw_only=True)
class ParquetSource:
    """A Parquet file; only the columns that fill something are read, in the order of the file.

    `types` is the physical type of each column. `first_group` and `end_group` are the row groups of a part.
    """

    origin: Origin
    filling: Filling
    types: Mapping[str, str]
    batch_rows: int
    constants: Mapping[str, str | None] = field(default_factory=dict)
    first_group: int = 0
    end_group: int | None = None
    _digest: str | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Where the file is, and which row groups of it when it is a part."""
        if self.end_group is None:
            return self.origin.description
        return f"{self.origin.description} row groups {self.first_group}-{self.end_group}"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Target columns in the order of the file, then those of the path.

        Raises: ConfigError when the file is not there, is no Parquet, or does not fit the contract.
        """
        names = tuple(each.name for each in self.found_fields())
        found = self.filling.columns_of(names, self.description, tuple(self.constants))
        return tuple(column for column in found if column is not None)

    @property
    def fields(self) -> tuple[str | None, ...]:
        """The columns themselves."""
        return self.columns

    @property
    def is_selective(self) -> bool:
        """Yes: fields that fill no column are not even read."""
        return True

    @property
    def fingerprint(self) -> str | None:
        """Size and time of the file."""
        return self.origin.fingerprint

    @property
    def size_bytes(self) -> int | None:
        """Nothing: the text that is handed out has another size than the file."""
        return None

    def found_fields(self) -> tuple[FoundField, ...]:
        """The file's columns with their types, then those of the path."""
        own = [FoundField(name=each.name, type=column_type(each.type)) for each in self._schema]
        names = {each.name for each in own}
        return (*own, *(FoundField(name=name, type="text") for name in self.constants if name not in names))

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All records, at most `batch_rows` at a time, or those behind a mark."""
        self._digest = None
        digest = hashlib.sha256()
        done = int(after["row"]) if after is not None else 0
        header, extra = self._header
        with self._open() as file:
            groups, skipped = self._groups(file, done)
            names = list(header[: len(header) - len(extra)])
            for found in file.iter_batches(self.batch_rows, row_groups=groups, columns=names):
                rows = found.slice(skipped) if skipped else found
                skipped = max(0, skipped - found.num_rows)
                if not rows.num_rows:
                    continue
                done += rows.num_rows
                batch = self._batch(rows.select(names), header, extra, {"row": done})
                if batch.block is not None:
                    digest.update(batch.block)
                yield batch
        if after is None:
            self._digest = digest.hexdigest()

    def parts(self, wanted: int) -> Sequence[Source]:
        """Runs of row groups with about the same number of records."""
        if wanted < 2 or self.end_group is not None:
            return (self,)
        with self._open() as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
        cuts, total = [0], 0
        for number, size in enumerate(sizes, 1):
            total += size
            if number < len(sizes) and len(cuts) < wanted and total * wanted >= sum(sizes) * len(cuts):
                cuts.append(number)
        if len(cuts) < 2:
            return (self,)
        ends = [*cuts[1:], len(sizes)]
        return tuple(replace(self, first_group=first, end_group=end) for first, end in zip(cuts, ends, strict=True))

    def checksum(self) -> str | None:
        """SHA-256 of the text that was made of the columns; null when there is none of it."""
        return self._digest

    def _groups(self, file: parquet.ParquetFile, done: int) -> tuple[list[int], int]:
        """The row groups to read, and how many records of the first one are to be skipped."""
        groups = list(range(self.first_group, self.end_group or file.metadata.num_row_groups))
        while groups and done >= file.metadata.row_group(groups[0]).num_rows:
            done -= file.metadata.row_group(groups.pop(0)).num_rows
        return groups, done

    def _batch(self, rows: pa.RecordBatch, header: tuple[str, ...], extra: Sequence[str], mark: Mark) -> Any:
        columns = [
            texts(column, self.types[target]) for column, target in zip(rows.columns, self.columns, strict=False)
        ]
        constants = [self.constants[name] for name in extra]
        block = csv_block(columns, constants) if len(header) > 1 else None
        if block is not None:
            return ColumnBatch(block=block, header=header, mark=mark)
        lists = [each.to_pylist() for each in columns] + [[value] * rows.num_rows for value in constants]
        values = list(zip(*lists, strict=True)) if lists else [()] * rows.num_rows
        return RecordBatch(mark=mark, found=tuple(self._record(each, header) for each in values))

    def _record(self, values: tuple[str | None, ...], header: tuple[str, ...]) -> Any:
        reasons = [unstorable(column, text) for column, text in zip(self.columns, values, strict=True)]
        return values, dict(zip(header, values, strict=True)), tuple(each for each in reasons if each)

    @cached_property
    def _header(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Wanted fields in the order of the columns, and those of them that come from the path."""
        own = {each.name for each in self._schema}
        names = tuple(each.name for each in self.found_fields() if self.filling.column_of(each.name) is not None)
        return names, tuple(name for name in names if name not in own)

    @cached_property
    def _schema(self) -> pa.Schema:
        with self._open() as file:
            return file.schema_arrow

    @contextmanager
    def _open(self) -> Iterator[parquet.ParquetFile]:
        import pyarrow as pa
        from pyarrow import parquet

        if not self.origin.is_plain:
            raise ConfigError(
                "a Parquet file is packed inside and cannot be packed again",
                where=self.description,
                expected="no compression",
                found=self.origin.packing,
                next_step="unpack the file, or correct `source.compression`",
            )
        with self.origin.open() as stream:
            try:
                with parquet.ParquetFile(stream, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
                    yield file
            except pa.ArrowInvalid as error:
                raise RetriableError(
                    "the source is no whole Parquet file",
                    where=self.description,
                    found=str(error).splitlines()[0],
                    next_step="run the load again when the file is whole, or correct `source.format`",
                ) from error
