"""Parquet's types arrive exactly, as text that PostgreSQL reads as the same value."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import text

from groundwork.flow.sources.filling import found_fields
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_postgres import Database
from tests.flow.sources.reading import column, opened, read, rows

MOMENT = datetime.fromisoformat("2024-02-29 23:59:59.123456")
VALUES: list[tuple[str, pa.DataType, str, Any, Any]] = [
    ("c_int", pa.int64(), "bigint", 2**62 + 1, 2**62 + 1),
    ("c_uint", pa.uint64(), "numeric(20,0)", 2**64 - 1, Decimal(2**64 - 1)),
    ("c_small", pa.int8(), "smallint", -128, -128),
    ("c_decimal", pa.decimal128(38, 10), "numeric(38,10)", Decimal("1234567890123456789012345678.0123456789"), None),
    ("c_big", pa.decimal256(60, 2), "numeric(60,2)", Decimal("9" * 58 + ".25"), None),
    ("c_double", pa.float64(), "double precision", 0.1 + 0.2, None),
    ("c_real", pa.float32(), "real", 0.5, None),
    ("c_bool", pa.bool_(), "boolean", True, None),
    ("c_time_utc", pa.timestamp("us", "Europe/Berlin"), "timestamptz", MOMENT.replace(tzinfo=UTC), None),
    ("c_time_local", pa.timestamp("us"), "timestamp", MOMENT, None),
    ("c_date", pa.date32(), "date", date(1969, 7, 20), None),
    ("c_clock", pa.time64("us"), "time", time(12, 34, 56, 789), None),
    ("c_span", pa.duration("us"), "interval", timedelta(days=3, seconds=4, microseconds=5), None),
    ("c_bytes", pa.binary(), "bytea", b'\x00\xff"', None),
    ("c_text", pa.string(), "text", 'a "quoted",\nü', None),
    ("c_empty", pa.string(), "text", "", None),
    ("c_word", pa.dictionary(pa.int8(), pa.string()), "text", "yes", None),
    ("c_list", pa.list_(pa.string()), "text[]", ["a", None, 'b"'], None),
    ("c_struct", pa.struct([("n", pa.decimal128(30, 20)), ("d", pa.date32())]), "jsonb", {"n": None, "d": None}, None),
    ("c_map", pa.map_(pa.string(), pa.int32()), "jsonb", {"a": 1}, None),
]


def _written(folder: Path) -> None:
    given = {
        name: pa.array([list(value.items()) if name == "c_map" else value, None], kind)
        for name, kind, _, value, _ in VALUES
    }
    parquet.write_table(pa.table(given), folder / "a.parquet")


@pytest.mark.postgres
def test_every_type_arrives_exactly(tmp_path: Path, database: Database) -> None:
    _written(tmp_path)
    columns = [{"name": n, "logicalType": "string", "physicalType": t} for n, _, t, _, _ in VALUES]
    source = opened(tmp_path, columns, {"kind": "file", "path": "a.parquet", "format": "parquet"})
    found = rows(source)
    assert found[1] == (None,) * len(VALUES)
    with database.engine.connect() as connection:
        for (name, _, kind, value, expected), given in zip(VALUES, found[0], strict=True):
            got = connection.scalar(text(f"SELECT CAST(:given AS {kind})"), {"given": given})
            got = bytes(got) if isinstance(got, memoryview) else got
            assert got == (value if expected is None else expected), name
    (batch,) = source.batches()
    assert batch.block is not None
    assert b"\n" in batch.block


def test_types_are_told_in_the_words_of_postgresql(tmp_path: Path) -> None:
    _written(tmp_path)
    columns = [{"name": n, "logicalType": "string", "physicalType": t} for n, _, t, _, _ in VALUES]
    source = opened(tmp_path, columns, {"kind": "file", "path": "a.parquet", "format": "parquet"})
    told = {each.name: each.type for each in found_fields(source) or ()}
    assert told == {name: kind for name, _, kind, _, _ in VALUES}


def test_numbers_in_structures_keep_their_digits(tmp_path: Path) -> None:
    number = Decimal("0.12345678901234567891")
    kind = pa.struct([("n", pa.decimal128(30, 20))])
    parquet.write_table(pa.table({"id": [1], "s": pa.array([{"n": number}], kind)}), tmp_path / "a.parquet")
    columns = [column("id", "integer", key=1), {"name": "s", "logicalType": "object", "physicalType": "jsonb"}]
    found = rows(opened(tmp_path, columns, {"kind": "file", "path": "a.parquet", "format": "parquet"}))
    assert json.loads(found[0][1] or "", parse_float=Decimal) == {"n": number}


def test_a_single_column_keeps_its_nulls(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"name": ["a", None, ""]}), tmp_path / "a.parquet")
    source = opened(tmp_path, [column("name", "text")], {"kind": "file", "path": "a.parquet", "format": "parquet"})
    assert rows(source) == [("a",), (None,), ("",)]


def test_a_file_that_was_cut_off_or_is_no_parquet_is_told(tmp_path: Path) -> None:
    _written(tmp_path)
    file = tmp_path / "a.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    columns = [column("c_int", "bigint", key=1)]
    with pytest.raises(RetriableError, match="no whole Parquet file"):
        read(opened(tmp_path, columns, {"kind": "file", "path": "a.parquet", "format": "parquet"}))
    with pytest.raises(ConfigError, match="packed"):
        read(opened(tmp_path, columns, {"kind": "file", "path": "a.parquet.gz", "format": "parquet"}))


_CHILD = """
import resource, sys
from pathlib import Path
from tests.flow.sources.reading import column, opened
source = opened(Path(sys.argv[1]), [column("id", "bigint", key=1), column("name", "text")],
                {"kind": "file", "path": sys.argv[2], "format": sys.argv[3]}, batch_rows=20_000)
batches = source.batches()
sum(1 for _ in next(batches).records(1))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = 0
for batch in batches:
    count += sum(1 for _ in batch.records(1))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("form", ["parquet", "json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    """One row group, one array: what is held is a batch, not the file of some 60 MB."""
    count, width = (600_000, 100) if form == "parquet" else (150_000, 400)
    names = [f"{n:0{width}d}" for n in range(count)]
    if form == "parquet":
        parquet.write_table(
            pa.table({"id": range(count), "name": names}), tmp_path / "a", row_group_size=count, use_dictionary=False
        )
    else:
        (tmp_path / "a").write_text(
            "[" + ",".join(f'{{"id":{n},"name":"{name}"}}' for n, name in enumerate(names)) + "]"
        )
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path), "a", form],
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    read_rows, grown_kilobytes = map(int, done.stdout.split())
    assert read_rows == count - 20_000
    assert grown_kilobytes < 40_000
