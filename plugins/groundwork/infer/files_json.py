"""JSON lines and JSON arrays into DuckDB: one text and one kind (`BIGINT`, `OBJECT`, …) per key and record.

A key that a record does not have is null in it. Keys are told apart by their exact letters, as a load does.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from groundwork.infer.files_bytes import compression_of, encoding_of, open_bytes, plain_suffix
from groundwork.infer.files_source import Field, Kind, RawTable, fetch, one_row, sql
from groundwork.model.errors import ConfigError

_LARGEST_OBJECT = 64 << 20  # bytes of one record
_MOST_KEYS = 2_000
_LINES = "newline_delimited"
_KNOWN_TO_DUCKDB = (".gz", ".zst")
_KEYS = """
    WITH record AS (SELECT json_type(json) AS kind, json_keys(json) AS keys FROM ({records})),
         usable AS (SELECT CASE WHEN kind = 'OBJECT' AND len(list_distinct(keys)) = len(keys) THEN keys
                                ELSE [NULL] END AS keys FROM record),
         placed AS (SELECT unnest(keys) AS key, unnest(range(len(keys))) AS place FROM usable)
    SELECT key FROM placed GROUP BY key ORDER BY key IS NOT NULL, avg(place), key LIMIT {most}
"""
_VALUES = """
    CREATE TABLE {table} AS SELECT {columns} FROM (
        SELECT json_extract_string(json, CAST(? AS VARCHAR[])) AS texts,
               json_type(json, CAST(? AS VARCHAR[])) AS kinds
        FROM ({records}))
"""


def load_json(
    connection: duckdb.DuckDBPyConnection, table: str, paths: Sequence[Path], limit_rows: int | None
) -> RawTable:
    """The records of all `paths` as texts with their kinds in the DuckDB table `table`.

    Raises: ConfigError with the line for what is not JSON, records that are no objects and keys that come twice.
    """
    form = _form(paths[0])
    records = sql(
        "SELECT json FROM read_json_objects(?, format='{form}', maximum_object_size={size}) LIMIT {limit}",
        form=form,
        size=_LARGEST_OBJECT,
        limit="ALL" if limit_rows is None else int(limit_rows),
    )
    try:
        with _readable(paths) as names:
            keys = _keys(connection, records, names)
            if keys is None:
                raise _broken(paths, form, "a record that is no object, or has one key twice")
            rows = _extract(connection, table, records, names, keys)
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException) as error:
        raise _broken(paths, form, str(error).partition("\n")[0]) from error
    return RawTable(
        name=table,
        rows=rows,
        fields=tuple(Field(name=key, place=place, kind=Kind.JSON) for place, key in enumerate(keys)),
        format="jsonl" if form == _LINES else "json",
        facts={"records": "one per line" if form == _LINES else "an array"},
        obstacles=tuple(_obstacles(form, keys)),
        is_complete=limit_rows is None or rows < limit_rows,
    )


@contextmanager
def _readable(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Names of the files as DuckDB can read them: those in a packing that it does not know are unpacked."""
    with TemporaryDirectory(prefix="groundwork-infer-") as folder:
        names = []
        for number, path in enumerate(paths):
            if compression_of(path) is None or path.suffix.lower() in _KNOWN_TO_DUCKDB:
                names.append(str(path))
                continue
            place = Path(folder) / f"{number}.json"
            with open_bytes(path) as source, place.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            names.append(str(place))
        yield names


def _obstacles(form: str, keys: Sequence[str]) -> Iterator[str]:
    if form not in (_LINES, "array"):
        yield "records are spread over lines, a load reads one per line or one array"
    if any(key.startswith("/") for key in keys):
        yield "a key begins with a slash, which a load takes for a path"


def _form(path: Path) -> str:
    """DuckDB's word for the form: an array, one record per line, or records over several lines."""
    with open_bytes(path) as stream:
        head = stream.read(1 << 20)
    if encoding_of(head) not in ("utf-8", "utf-8-sig"):
        raise ConfigError(
            "the file is not written in UTF-8, as JSON has to be",
            where=str(path),
            expected="UTF-8",
            found=encoding_of(head),
            next_step="write it again in UTF-8",
        )
    text = head.decode("utf-8-sig", "ignore").lstrip()
    if not text:
        raise ConfigError(
            "the file is empty",
            where=str(path),
            expected="JSON objects",
            found=f"{len(head):,} bytes without any text",
            next_step="infer from a file that has records",
        )
    if text.startswith("["):
        return "array"
    if plain_suffix(path) == ".json" and not _is_json(text.partition("\n")[0]):
        return "unstructured"
    return _LINES


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _keys(connection: duckdb.DuckDBPyConnection, records: str, paths: list[str]) -> list[str] | None:
    """All keys in the order in which records have them; null when a record is no object or has one key twice."""
    found = fetch(connection, sql(_KEYS, records=records, most=_MOST_KEYS + 1), [paths])
    keys = [row[0] for row in found]
    if None in keys:
        return None
    if len(keys) > _MOST_KEYS:
        raise ConfigError(
            "the records have too many different keys to be columns",
            where=paths[0],
            expected=f"at most {_MOST_KEYS:,} keys",
            found=f"more than {_MOST_KEYS:,}",
            next_step="keep what varies in one object, which becomes a jsonb column",
        )
    return keys


def _extract(
    connection: duckdb.DuckDBPyConnection, table: str, records: str, paths: list[str], keys: Sequence[str]
) -> int:
    """Texts and kinds of every key; the keys themselves are parameters, never part of the statement."""
    columns = ", ".join(f"texts[{n + 1}] AS c{n}, kinds[{n + 1}] AS t{n}" for n in range(len(keys)))
    pointers = [_pointer(key) for key in keys]
    statement = sql(_VALUES, table=table, columns=columns or "1 AS nothing", records=records)
    fetch(connection, statement, [pointers, pointers, paths])
    return int(one_row(connection, sql("SELECT count(*) FROM {table}", table=table))[0])


def _pointer(key: str) -> str:
    """The JSON pointer to a key of the record.

    >>> _pointer("a/b")
    '/a~1b'
    """
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _broken(paths: Sequence[Path], form: str, words: str) -> ConfigError:
    place, found = _first_misfit(paths) if form == _LINES else (None, None)
    return ConfigError(
        "a record of the file is broken",
        where=place or ", ".join(map(str, paths[:3])),
        expected="JSON objects, one per line, each key once" if form == _LINES else "JSON objects, each key once",
        found=found or words,
        next_step="correct the record",
    )


def _first_misfit(paths: Sequence[Path]) -> tuple[str | None, str | None]:
    """File and line of the first record that cannot be used, and why; its content is not told."""
    for path in paths:
        with open_bytes(path) as stream:
            for number, line in enumerate(stream, 1):
                reason = _reason(line) if line.strip() else None
                if reason:
                    return f"{path}, line {number:,}", reason
    return None, None


def _reason(line: bytes) -> str | None:
    repeated: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in found]
        repeated.extend(key for key in set(keys) if keys.count(key) > 1)
        return dict(found)

    try:
        value = json.loads(line.decode("utf-8-sig"), object_pairs_hook=pairs)
    except UnicodeDecodeError as error:
        return f"bytes that are not UTF-8, at byte {error.start + 1}"
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    if not isinstance(value, dict):
        return f"a JSON value that is no object: {type(value).__name__}"
    return f"the key {repeated[0]!r} twice" if repeated else None
