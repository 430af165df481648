r"""Quarantined rows as a file that a person corrects and hands back: CSV, JSON lines or Parquet, told by the suffix.

One row per quarantined record, with the columns of `groundwork.flow.quarantine.read.corrigible`. In CSV a value that is
not there is written `\N`, because an empty field is an empty text. Of a file that comes back only `quarantine_id` and
columns of the table are read; a column that is left out keeps what the quarantine has.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.flow.json_text import column_text, parse
from groundwork.flow.quarantine.read import ABOUT
from groundwork.flow.quarantine.replay_source import Corrections
from groundwork.flow.source import fillable
from groundwork.model.errors import ConfigError

NULL = "\\N"
IDENTITY = "quarantine_id"
_BATCH_ROWS = 5_000
_NOT_CORRECTED = {*ABOUT, "line"}
_NUMBERS = {IDENTITY, "load_id", "position"}
Rows = Iterable[Mapping[str, Any]]


def columns_of(table: TableContract) -> tuple[str, ...]:
    """The columns of a file about `table`."""
    return (*ABOUT, *(column.name for column in fillable(table)), "line")


def write_file(path: Path, columns: Sequence[str], rows: Rows) -> int:
    """Write rows and return how many they were; bounded memory.

    Raises: ConfigError when the suffix is none of ours, or the file cannot be written.
    """
    writer = _chosen(path, {"csv": _write_csv, "jsonl": _write_json_lines, "parquet": _write_parquet})
    try:
        return int(writer(path, columns, rows))
    except OSError as error:
        raise ConfigError("the file cannot be written", where=str(path), found=error.strerror or error) from error


def read_corrections(path: Path, table: TableContract) -> Corrections:
    """The corrections that a file holds, by quarantine id.

    Raises: ConfigError when the file cannot be read, or a row of it does not say which one it corrects, or two do.
    """
    reader = _chosen(path, {"csv": _read_csv, "jsonl": _read_json_lines, "parquet": _read_parquet})
    types = {column.name: column.type for column in fillable(table)}
    by_row: dict[int, dict[str, str | None]] = {}
    try:
        for number, row in enumerate(reader(path), 1):
            identity = _identity(path, number, row)
            if identity in by_row:
                raise _unusable(path, number, f"the row {identity} stands there twice")
            own = {name: value for name, value in row.items() if name not in _NOT_CORRECTED}
            by_row[identity] = {
                name: value if isinstance(value, str) else column_text(value, types.get(name, "text"))
                for name, value in own.items()
            }
    except (OSError, ValueError) as error:
        raise ConfigError(
            "the corrected file cannot be read",
            where=str(path),
            expected="a file as `groundwork quarantine export` writes it",
            found=error,
            next_step="groundwork quarantine export, and correct that file",
        ) from error
    if not by_row:
        raise ConfigError("the corrected file holds no row", where=str(path), next_step="leave --file out")
    return Corrections(by_row=by_row)


def _chosen(path: Path, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in known:
        raise ConfigError(
            "the suffix does not tell a form of file that is known",
            where=str(path),
            expected=", ".join(f".{name}" for name in known),
            found=path.suffix or "no suffix",
        )
    return known[suffix]


def _identity(path: Path, number: int, row: Mapping[str, Any]) -> int:
    found = row.get(IDENTITY)
    try:
        return int(str(found))
    except ValueError as error:
        raise _unusable(path, number, f"{IDENTITY}: {found}") from error


def _unusable(path: Path, number: int, found: str) -> ConfigError:
    return ConfigError(
        "a row of the corrected file does not tell which row of the quarantine it is",
        where=f"{path}, row {number}",
        expected=f"a number in `{IDENTITY}`, each once",
        found=found,
        next_step="groundwork quarantine export, and correct that file",
    )


def _write_csv(path: Path, columns: Sequence[str], rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as sink:
        writer = csv.writer(sink)
        writer.writerow(columns)
        for count, row in enumerate(rows, 1):  # noqa: B007  the last number is how many there were
            writer.writerow([NULL if row[name] is None else row[name] for name in columns])
    return count


def _read_csv(path: Path) -> Iterator[dict[str, str | None]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream, strict=True):
            if None in row or None in row.values():
                raise ValueError("a row has another number of fields than the header")
            yield {name: None if value == NULL else value for name, value in row.items()}


def _write_json_lines(path: Path, columns: Sequence[str], rows: Rows) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as sink:
        for count, row in enumerate(rows, 1):  # noqa: B007  the last number is how many there were
            sink.write(json.dumps({name: row[name] for name in columns}, ensure_ascii=False, default=str) + "\n")
    return count


def _read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as stream:
        for line in stream:
            if line.strip():
                found = parse(line)
                if not isinstance(found, dict):
                    raise ValueError(f"expected a JSON object, found {type(found).__name__}")
                yield found


def _write_parquet(path: Path, columns: Sequence[str], rows: Rows) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.int64() if name in _NUMBERS else pa.string()) for name in columns])
    count, source = 0, iter(rows)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(source, _BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist([{name: row[name] for name in columns} for row in batch], schema))
            count += len(batch)
    return count


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            yield from batch.to_pylist()
