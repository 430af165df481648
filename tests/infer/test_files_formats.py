"""Parquet, JSON arrays and packed files: the same rows give the same contract, and formats keep their own types."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundwork.infer.files import infer_files
from groundwork.model.errors import ConfigError

ROWS = [{"order_id": n, "sku": f"AB-{n:04}", "amount": n / 4, "is_paid": n % 2 == 0} for n in range(1, 101)]
CSV = "order_id,sku,amount,is_paid\n" + "".join(",".join(str(value) for value in row.values()) + "\n" for row in ROWS)


def properties(path: Path, project: Path) -> dict[str, dict[str, Any]]:
    document = infer_files(path, domain="shop", project=project, table="orders").document
    return {each["name"]: each for each in document["schema"][0]["properties"]}


def test_the_same_rows_give_the_same_columns_in_every_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    with pa.CompressedOutputStream(str(tmp_path / "a.csv.zst"), "zstd") as stream:
        stream.write(CSV.encode())
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=1))
    (tmp_path / "one.json").write_text(lines)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    found = {path.name: properties(path, tmp_path) for path in tmp_path.iterdir()}
    assert len(found) == 8
    expected = found["a.csv"]
    assert {name: each["physicalType"] for name, each in expected.items()} == {
        "order_id": "integer", "sku": "text", "amount": "numeric(7,2)", "is_paid": "boolean",
    }  # fmt: skip
    assert expected["sku"]["logicalTypeOptions"]["pattern"] == "^[A-Z]{2}-[0-9]{4}$"
    found["a.parquet"]["order_id"]["physicalType"] = "integer"  # the file itself declares bigint
    assert all(each == expected for each in found.values())


def test_parquet_keeps_the_types_it_declares(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int16()),
            "large": pa.array([1, 2**64 - 1], pa.uint64()),
            "exact": pa.array([Decimal("1.250"), Decimal("2")], pa.decimal128(12, 3)),
            "price": pa.array([0.1, 12.25], pa.float64()),
            "reading": pa.array([0.123456789012, 1 / 3], pa.float64()),
            "wild": pa.array([float("nan"), 1.0], pa.float64()),
            "day": pa.array([date(2020, 1, 1), None]),
            "clock": pa.array([time(9, 30), time(10, 0)]),
            "naive": pa.array([1, 2], pa.timestamp("us")),
            "zoned": pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC")),
            "precise": pa.array([1, 2], pa.timestamp("ns")),
            "raw": pa.array([b"a", b"b"]),
            "tags": pa.array([["a"], []], pa.list_(pa.string())),
            "deep": pa.array([{"a": 1, "b": [{"c": "x"}]}, None]),
            "word": pa.array(["5", "7"]).dictionary_encode(),
            "token": pa.array(["8be36e13-fe7e-4ec3-b330-77138c7b4a50", "8be36e13-fe7e-4ec3-b330-77138c7b4a51"]),
            "nothing": pa.array([None, None], pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "types.parquet")
    found = properties(tmp_path / "types.parquet", tmp_path)
    assert {name: each["physicalType"] for name, each in found.items()} == {
        "id": "smallint", "large": "numeric(23,0)", "exact": "numeric(15,3)", "price": "numeric(7,2)",
        "reading": "double precision", "wild": "double precision", "day": "date", "clock": "time",
        "naive": "timestamp", "zoned": "timestamptz", "precise": "timestamp", "raw": "bytea", "tags": "text[]",
        "deep": "jsonb", "word": "text", "token": "uuid", "nothing": "text",
    }  # fmt: skip
    assert [each["name"] for each in found["deep"]["properties"]] == ["a", "b"]
    assert found["tags"]["logicalType"] == "array"
    assert found["tags"]["items"] == {"logicalType": "string"}
    assert found["day"]["required"] is False


def test_parquet_files_of_different_columns_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "x_1.parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "x_2.parquet")
    with pytest.raises(ConfigError, match="different columns") as error:
        infer_files(str(tmp_path / "x_*.parquet"), domain="shop", project=tmp_path)
    assert "VARCHAR" in str(error.value.found)


def test_arrays_of_numbers_beyond_bigint_stay_exact(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "sizes": [1, 18446744073709551615]}\n{"id": 2, "sizes": null}\n')
    assert properties(tmp_path / "a.jsonl", tmp_path)["sizes"]["physicalType"] == "numeric[]"


def test_names_that_are_given_and_classes_of_values(tmp_path: Path) -> None:
    start = date(2024, 1, 1)
    rows = "".join(
        f"{n},{['Ada', 'Alan', 'Emmy'][n % 3]} {['Hopper', 'Turing'][n % 2]},p{n}@example.com,10.0.0.{n},"
        f"{start + timedelta(days=n)}\n"
        for n in range(1, 101)
    )
    path = tmp_path / "people.csv"
    path.write_text("id,full_name,email,last_ip,created_date\n" + rows)
    proposal = infer_files(path, domain="shop", project=tmp_path)
    found = {each["name"]: each for each in proposal.document["schema"][0]["properties"]}
    kinds = {
        name: {entry["property"]: entry["value"] for entry in each.get("customProperties", [])}
        for name, each in found.items()
    }
    assert kinds["email"] == {"personalData": "email", "masking": "partial"}
    assert kinds["full_name"] == {"personalData": "name", "masking": "partial"}
    assert kinds["last_ip"] == {"personalData": "ip_address", "masking": "null"}
    assert found["email"]["logicalTypeOptions"]["format"] == "email"
    assert "Hopper" not in json.dumps(proposal.document)
    assert "example.com" not in str(proposal)
    assert "10.0.0." not in str(proposal)
    assert proposal.document["slaProperties"] == [
        {"property": "freshness", "value": 14, "unit": "d", "element": "people"}
    ]


def test_every_guess_stands_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.csv").write_text("id,order_id,note\n" + "".join(f"{n},{n % 100 + 1},x{n}\n" for n in range(200)))
    (tmp_path / "a.csv").rename(tmp_path / "orders.csv")
    proposal = infer_files([tmp_path / "orders.csv", tmp_path / "b.csv"], domain="shop", project=tmp_path)
    assert len(proposal.guesses) > 15
    for guess in proposal.guesses:
        place: Any = proposal.document
        for part in guess.pointer.strip("/").split("/"):
            place = place[int(part)] if isinstance(place, list) else place[part]
        assert place is not None
        assert 0 <= guess.confidence <= 1
        assert guess.evidence
    assert any(guess.pointer == "/schema/1/relationships/0" for guess in proposal.guesses)


def test_inferring_twice_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    assert infer_files(tmp_path / "a.csv", domain="shop") == infer_files(tmp_path / "a.csv", domain="shop")
