"""What is found of a file's form is declared in a load's own words, so that an inferred contract loads at once."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import text

from groundwork.infer.files import infer_files
from groundwork.infer.profile import Proposal
from tests.fix_postgres import Database
from tests.flow.sources.packers import PACKERS
from tests.infer.test_files_load import loaded, whole

pytestmark = pytest.mark.postgres
COUNT = 50
DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(COUNT)]
NAMES = [f"Köln, {n} «x»" if n % 2 else f"a;b|c\t{n}" for n in range(COUNT)]
EXPECTED = [(n + 1, NAMES[n], Decimal(n) / 4, DAYS[n]) for n in range(COUNT)]


def _csv(delimiter: str = ",", quote: str = '"', *, header: bool = True, null: str = "") -> str:
    lines = [delimiter.join(("order_id", "Full name", "price", "day"))] if header else []
    for n, (name, day) in enumerate(zip(NAMES, DAYS, strict=True)):
        price = null if null and n == 4 else str(n / 4)
        lines.append(delimiter.join((str(n + 1), f"{quote}{name}{quote}", price, day.isoformat())))
    return "\n".join(lines) + "\n"


def _source(proposal: Proposal) -> dict[str, Any]:
    custom = proposal.document["schema"][0].get("customProperties", [])
    found: dict[str, Any] = next(entry["value"] for entry in custom if entry["property"] == "source")
    return found


def _round_trip(database: Database, folder: Path, name: str, data: bytes, **known: Any) -> dict[str, Any]:
    """Infer from the file, load it, compare every value; the keys of the declared source beside its columns."""
    (folder / name).write_bytes(data)
    proposal = infer_files(folder / name, domain="shop", table="orders", project=folder)
    assert proposal.left_out == ()
    result = loaded(proposal, folder, database)["orders"]
    assert whole(result), result
    columns = [each["name"] for each in proposal.document["schema"][0]["properties"]]
    with database.engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM shop.orders ORDER BY {columns[0]}")).all()
    expected = known.get("expected", EXPECTED)
    assert [tuple(row) for row in rows] == expected
    return {key: value for key, value in _source(proposal).items() if key not in ("kind", "path", "mode", "columns")}


@pytest.mark.parametrize(
    ("content", "encoding", "keys"),
    [
        (_csv(), "utf-8", {}),
        (_csv(), "utf-8-sig", {}),
        (_csv(";"), "utf-8", {"delimiter": ";"}),
        (_csv("\t"), "utf-8", {"delimiter": "\t"}),
        (_csv("|"), "cp1252", {"delimiter": "|", "encoding": "cp1252"}),
        (_csv(), "utf-16", {"encoding": "utf-16"}),
        (_csv(";", "'"), "latin-1", {"delimiter": ";", "quote": "'", "encoding": "cp1252"}),
        (_csv(header=False), "utf-8", {"header": ["column_1", "column_2", "column_3", "column_4"]}),
    ],
    ids=["usual", "mark", "semicolon", "tab", "pipe", "utf-16", "single quotes", "no header"],
)
def test_every_dialect_of_csv_is_declared_and_loads(
    module_database: Database, tmp_path: Path, content: str, encoding: str, keys: dict[str, Any]
) -> None:
    found = _round_trip(module_database, tmp_path, "orders.csv", content.encode(encoding))
    assert found == {"format": "csv", **keys}


def test_quotes_that_are_only_signs_are_declared_as_such(module_database: Database, tmp_path: Path) -> None:
    lines = "".join(f'{n};5{n}" pipe\n' for n in range(1, 30))
    found = _round_trip(
        module_database,
        tmp_path,
        "orders.csv",
        f"order_id;label\n{lines}".encode(),
        expected=[(n, f'5{n}" pipe') for n in range(1, 30)],
    )
    assert found == {"format": "csv", "delimiter": ";", "quote": "none"}


def test_words_for_null_are_declared_where_no_text_keeps_them(module_database: Database, tmp_path: Path) -> None:
    expected = [(a, b, None if a == 5 else c, d) for a, b, c, d in EXPECTED]
    found = _round_trip(module_database, tmp_path, "orders.csv", _csv(null="NA").encode(), expected=expected)
    assert found == {"format": "csv", "null": "NA"}


@pytest.mark.parametrize(
    ("line", "why"),
    [("51,NA,NA,2024-05-01", "null is written na"), ('51,x,"NA",2024-05-01', "null is written na")],
    ids=["a text that is the word", "the word in quotes"],
)
def test_words_for_null_that_a_load_would_read_otherwise_keep_it_away(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "orders.csv").write_text(f"{_csv()}{line}\n", encoding="utf-8")
    proposal = infer_files(tmp_path / "orders.csv", domain="shop", project=tmp_path)
    assert why in proposal.left_out[0]


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_files_load(module_database: Database, tmp_path: Path, suffix: str) -> None:
    packed = {"compression": {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}[suffix]} if suffix else {}
    csv = _round_trip(module_database, tmp_path, f"orders.csv{suffix}", PACKERS[suffix](_csv().encode()))
    assert csv == {"format": "csv", **packed}
    rows = [dict(zip(("order_id", "Full name", "price", "day"), map(str, row), strict=True)) for row in EXPECTED]
    for row, exact in zip(rows, EXPECTED, strict=True):
        row |= {"order_id": exact[0], "price": float(exact[2])}  # type: ignore[dict-item]  # numbers beside texts
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    found = _round_trip(module_database, tmp_path, f"orders.jsonl{suffix}", PACKERS[suffix](lines))
    assert found == {"format": "jsonl", **packed}
    array = json.dumps(rows, indent=1).encode()
    found = _round_trip(module_database, tmp_path, f"orders.json{suffix}", PACKERS[suffix](array))
    assert found == {"format": "json", **packed}


def test_parquet_loads_with_every_type_that_it_has(module_database: Database, tmp_path: Path) -> None:
    table = pa.table(
        {
            "order_id": pa.array(range(1, COUNT + 1), pa.int64()),
            "Full name": NAMES,
            "price": pa.array([row[2] for row in EXPECTED], pa.decimal128(12, 2)),
            "day": DAYS,
        }
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    found = _round_trip(module_database, tmp_path, "orders.parquet", sink.getvalue())
    assert found == {"format": "parquet"}
    nested = table.append_column("tags", pa.array([[str(n), "x,y"] for n in range(COUNT)]))
    nested = nested.append_column("place", pa.array([{"city": f"c{n}", "at": [n, None]} for n in range(COUNT)]))
    sink = io.BytesIO()
    parquet.write_table(nested, sink)
    expected = [(*row, [str(n), "x,y"], {"city": f"c{n}", "at": [n, None]}) for n, row in enumerate(EXPECTED)]
    _round_trip(module_database, tmp_path, "orders.parquet", sink.getvalue(), expected=expected)


def test_the_files_of_a_pattern_load_as_one_table(module_database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    lines = _csv(";").splitlines(keepends=True)
    (folder / "orders_1.csv").write_text("".join(lines[:21]), encoding="utf-8")
    (folder / "orders_2.csv").write_text("".join([lines[0], *lines[21:]]), encoding="utf-8")
    proposal = infer_files(str(folder / "orders_*.csv"), domain="shop", project=tmp_path)
    assert proposal.left_out == ()
    assert _source(proposal)["path"] == "exports/orders_*.csv"
    assert _source(proposal)["delimiter"] == ";"
    result = loaded(proposal, tmp_path, module_database)["orders"]
    assert whole(result)
    assert result.loaded == COUNT
    (folder / "orders_3.csv").write_text("".join([lines[0], *lines[21:]]).replace(";", ","), encoding="utf-8")
    mixed = infer_files(str(folder / "orders_*.csv"), domain="shop", project=tmp_path)
    assert "not written in the same way" in mixed.left_out[0]


def test_records_over_several_lines_and_keys_that_look_like_paths_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"id": 1,\n "x": 2}\n{"id": 2,\n "x": 3}\n')
    assert "spread over lines" in infer_files(tmp_path / "a.json", domain="shop", project=tmp_path).left_out[0]
    (tmp_path / "b.jsonl").write_text('{"id": 1, "/x": 2}\n{"id": 2, "x": 3}\n')
    assert "takes for a path" in infer_files(tmp_path / "b.jsonl", domain="shop", project=tmp_path).left_out[0]
