"""CSV files into DuckDB: streamed once, strictly. A record with too many or too few fields is an error with its line.

Arrow takes the text apart and keeps an empty field (null) and a quoted empty one (empty text) apart, as COPY does.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from groundwork.infer.files_bytes import Utf8Stream, open_bytes
from groundwork.infer.files_source import Field, Kind, RawTable, fetch, one_row, sql
from groundwork.infer.sniff import CsvForm, sniff_csv
from groundwork.model.errors import ConfigError

_BLOCK_BYTES = 8 << 20  # the longest record
_LAST_RESORT = "iso-8859-1"  # every byte is a letter in it


def load_csv(
    connection: duckdb.DuckDBPyConnection, table: str, paths: Sequence[Path], limit_rows: int | None
) -> RawTable:
    """The records of all `paths`, which must have the same header, as texts in the DuckDB table `table`.

    Raises: ConfigError with the line for records of another width, open quotes and NUL characters.
    """
    form = sniff_csv(paths[0])
    columns = ", ".join(f"c{place} VARCHAR" for place in range(form.width))
    fetch(connection, sql("CREATE TABLE {table} ({columns})", table=table, columns=columns))
    rows = 0
    used: list[CsvForm] = []
    for path in paths:
        found = form if path == paths[0] else sniff_csv(path)
        _require_same_header(form, found, paths[0], path)
        left = None if limit_rows is None else limit_rows - rows
        used.append(_load(connection, table, path, found, left))
        rows = _count(connection, table)
    fields = tuple(Field(name=name, place=place, kind=Kind.TEXT) for place, name in enumerate(form.names))
    return RawTable(
        name=table,
        rows=rows,
        fields=fields,
        format="csv",
        facts={"delimiter": form.delimiter, "encoding": used[0].encoding, "header": form.has_header},
        keys=_keys(used[0]),
        obstacles=tuple(_obstacles(used)),
        is_complete=limit_rows is None or rows < limit_rows,
    )


def _require_same_header(form: CsvForm, found: CsvForm, first: Path, path: Path) -> None:
    if form.names != found.names:
        raise ConfigError(
            "the files that should make one table have different headers",
            where=str(path),
            expected=f"{form.width} fields as in {first}: {', '.join(form.names)}",
            found=f"{found.width} fields: {', '.join(found.names)}",
            next_step="name files of one form together, the others by themselves",
        )


def _keys(form: CsvForm) -> dict[str, Any]:
    """How the file is written where that is not the usual way, in the words of a `source`."""
    keys: dict[str, Any] = {}
    if form.delimiter != ",":
        keys["delimiter"] = form.delimiter
    if form.quote != '"':
        keys["quote"] = form.quote or "none"
    if form.encoding not in ("utf-8", "utf-8-sig"):
        keys["encoding"] = form.encoding
    return keys


def _obstacles(forms: Sequence[CsvForm]) -> Iterator[str]:
    if len({(form.delimiter, form.quote, form.encoding.removesuffix("-sig"), form.has_header) for form in forms}) > 1:
        yield "the files are not written in the same way"
    form = forms[0]
    if form.has_header and len(set(form.names)) < form.width:
        yield "two fields of the header have the same name, or none"


def _load(connection: duckdb.DuckDBPyConnection, table: str, path: Path, form: CsvForm, limit: int | None) -> CsvForm:
    """Append the records of `path`; returns the form with the encoding that proved right."""
    encodings = dict.fromkeys((form.encoding, "cp1252", _LAST_RESORT))
    before = _count(connection, table)
    for encoding in encodings:
        tried = replace(form, encoding=encoding)
        try:
            _stream(connection, table, path, tried, limit)
        except UnicodeDecodeError:
            fetch(connection, sql("DELETE FROM {table} WHERE rowid >= ?", table=table), [before])
            continue
        return tried
    raise AssertionError("every byte can be read in the last encoding")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(one_row(connection, sql("SELECT count(*) FROM {table}", table=table))[0])


def _stream(connection: duckdb.DuckDBPyConnection, table: str, path: Path, form: CsvForm, limit: int | None) -> None:
    """One statement takes the whole stream, so that DuckDB writes it once; what broke the stream is told by itself."""
    import pyarrow as pa

    broken: list[Exception] = []
    with open_bytes(path) as source:
        stream = Utf8Stream(source, form.encoding, form.quote)
        schema = pa.schema([(f"c{place}", pa.string()) for place in range(form.width)])
        reader = pa.RecordBatchReader.from_batches(schema, _kept(_batches(stream, form), broken))
        connection.register("incoming", reader)
        some = "" if limit is None else f" LIMIT {limit}"
        try:
            fetch(connection, sql("INSERT INTO {table} SELECT * FROM incoming{some}", table=table, some=some))
        except duckdb.Error:
            if not broken:
                raise
        finally:
            connection.unregister("incoming")
        if broken and isinstance(broken[0], pa.ArrowInvalid):
            raise _broken(path, form, str(broken[0])) from broken[0]
        if broken:
            raise broken[0]
        if limit is None and stream.has_nul:
            raise _nul(path, form)
        if limit is None and form.quote is not None and stream.quotes % 2:
            raise _broken(path, form, "a quote is opened and not closed")


def _kept(batches: Iterator[Any], broken: list[Exception]) -> Iterator[Any]:
    """The batches; an error is kept, since on its way through DuckDB it would lose its kind."""
    try:
        yield from batches
    except Exception as error:
        broken.append(error)
        raise


def _batches(stream: Utf8Stream, form: CsvForm) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [f"c{place}" for place in range(form.width)]
    try:
        yield from arrow_csv.open_csv(
            stream,
            read_options=arrow_csv.ReadOptions(
                column_names=names, skip_rows_after_names=int(form.has_header), block_size=_BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=form.delimiter, quote_char=form.quote or False, newlines_in_values=True
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" not in str(error):
            raise


def _broken(path: Path, form: CsvForm, words: str) -> ConfigError:
    """The error for a file that cannot be taken apart, with the line where it starts to go wrong."""
    line, found = _first_misfit(path, form)
    return ConfigError(
        "a record of the file is broken",
        where=f"{path}, line {line:,}" if line else str(path),
        expected=f"{form.width} fields separated by {form.delimiter!r}, in records of at most {_BLOCK_BYTES >> 20} MiB",
        found=found or words.partition(":")[2].strip().split(":")[0] or words,
        next_step="correct the record, or export the file again with quoted fields",
    )


def _nul(path: Path, form: CsvForm) -> ConfigError:
    with open_bytes(path) as source:
        text = io.TextIOWrapper(source, encoding=form.encoding, newline="\n")
        line = next((number for number, each in enumerate(text, 1) if "\x00" in each), None)
    return ConfigError(
        "the file holds a NUL character, which PostgreSQL's texts cannot",
        where=f"{path}, line {line:,}" if line else str(path),
        expected="text",
        found="a NUL character",
        next_step="remove it, or name the file's real format by its suffix",
    )


def _first_misfit(path: Path, form: CsvForm) -> tuple[int | None, str | None]:
    """Line on which the first record of another width starts, and what it has; no line's content is told."""
    with open_bytes(path) as source:
        lines = io.TextIOWrapper(source, encoding=form.encoding, errors="replace", newline="")
        options: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if form.quote is None else {"quotechar": form.quote}
        reader = csv.reader(lines, delimiter=form.delimiter, strict=True, **options)
        start = 1
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return None, None
            except csv.Error as error:
                return start, f"a record that cannot be taken apart: {error}"
            if record and len(record) != form.width:
                return start, f"{len(record)} fields"
            start = reader.line_num + 1
