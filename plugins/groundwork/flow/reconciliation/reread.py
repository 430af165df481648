"""A declared source read a second time, as independently of the loader as its form allows.

CSV and JSON lines are read by Python's own parsers. What else there is (Parquet, arrays, several files, APIs, other
databases) is read by the same reader as in the load, whose checks, casts and writing still stay out of it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.flow.record import Source
from groundwork.flow.resources import Resources
from groundwork.flow.source import declared_source, file_origin, fillable, open_source
from groundwork.flow.sources.computed import ComputedSource
from groundwork.flow.sources.dialect import Dialect, declared_dialect
from groundwork.flow.sources.files import is_glob, partition_values
from groundwork.flow.window import Window


@dataclass(kw_only=True)
class Reread:
    """The source of `table`; a record that cannot be read has no values.

    `since` and `window` are what a load asked of it: of a source that can be asked for less than all that much is read,
    of any other everything.
    """

    engine: Engine
    domain: Domain
    table: TableContract
    project: Path
    resources: Resources | None = None
    since: str | None = None
    window: Window | None = None
    _source: Source | None = field(default=None, init=False, repr=False)

    @property
    def description(self) -> str:
        """Where the rows come from."""
        return (
            file_origin(self.table, self.project, self.resources).description
            if self._is_simple
            else self._opened.description
        )

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Rows by column name, in the order of the source."""
        if self._is_simple:
            return self._file_rows()
        opened = self._opened
        return opened.rows() if isinstance(opened, ComputedSource) else _record_rows(opened)

    def digest(self) -> str | None:
        """SHA-256 as the books have it, after the rows were read; null for computed rows, whose inputs may change."""
        if not self._is_simple:
            return None if isinstance(self._opened, ComputedSource) else self._opened.checksum()
        digest = hashlib.sha256()
        with file_origin(self.table, self.project, self.resources).open() as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    @property
    def _is_simple(self) -> bool:
        declared = declared_source(self.table)
        path = str(declared.get("path"))
        pointers = [name for name in (declared.get("columns") or {}).values() if str(name).startswith("/")]
        is_plain = declared.get("kind") == "file" and declared.get("format") in ("csv", "jsonl")
        return is_plain and not is_glob(path) and not partition_values(path) and not pointers and self._is_digestible

    @property
    def _is_digestible(self) -> bool:
        """Whether the books' checksum is that of the file's own bytes."""
        declared = declared_source(self.table)
        return declared.get("format") != "csv" or declared_dialect(declared, self.table.qualified_name).is_utf8

    @property
    def _opened(self) -> Source:
        if self._source is None:
            self._source = open_source(
                self.engine,
                self.domain,
                self.table,
                project=self.project,
                resources=self.resources,
                since=self.since,
                window=self.window,
            )
        return self._source

    def _file_rows(self) -> Iterator[Mapping[str, Any]]:
        declared = declared_source(self.table)
        names: Mapping[str, str] = declared.get("columns") or {each.name: each.name for each in fillable(self.table)}
        with file_origin(self.table, self.project, self.resources).open() as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
            dialect = declared_dialect(declared, self.table.qualified_name)
            rows = _json_objects(text) if declared.get("format") == "jsonl" else _csv_rows(text, dialect)
            for row in rows:
                yield {column: row.get(name) for column, name in names.items()}


def _record_rows(source: Source) -> Iterator[Mapping[str, Any]]:
    for batch in source.batches():
        for record in batch.records(1):
            yield {} if record.reasons else dict(zip(source.columns, record.values, strict=True))


def _csv_rows(text: io.TextIOWrapper, dialect: Dialect) -> Iterator[Mapping[str, Any]]:
    rows = csv.DictReader(
        (line.replace("\x00", "") for line in text),
        fieldnames=dialect.header,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
    )
    for row in rows:
        yield {name: None if value in dialect.nulls else value for name, value in row.items() if name is not None}


def _json_objects(lines: io.TextIOWrapper) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        if line.strip():
            try:
                value = json.loads(line, parse_float=Decimal)
            except ValueError:
                value = {}  # it is in quarantine, or the comparison will show it
            yield value if isinstance(value, dict) else {}
