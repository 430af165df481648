"""Checking rows of every format: positions, corrections, keys, references, conditions, broken input, hostile input."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from groundwork.access.check import CheckOptions, check_rows
from groundwork.access.check_report import CheckReport, RowError
from groundwork.access.check_source import FileFormat, Stream
from groundwork.access.errors import NotReadyError
from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.model.errors import ConfigError
from tests.access.check_samples import csv_text, everything, json_lines, thing
from tests.fix_access import price, signal, strategy
from tests.fix_postgres import Database

_DOMAIN = everything()
_THINGS = _DOMAIN.table("things")
_HEADER = b"thing_id,code,day,at\n"


def _check(data: bytes | Path | list[dict[str, Any]], name: str = "csv", **options: Any) -> CheckReport:
    rows = Stream(file=io.BytesIO(data)) if isinstance(data, bytes) else data
    file_format = FileFormat(name) if isinstance(data, bytes) else None
    return check_rows(None, _DOMAIN, _THINGS, rows, CheckOptions(file_format=file_format, **options))


def _places(report: CheckReport) -> set[tuple[int | None, int | None, str | None]]:
    return {(error.row, error.line, error.column) for error in report.errors}


def test_good_rows_of_every_format_pass(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [thing(number, names=["a", "b,c"], facts={"x": [1]}) for number in range(1, 4)]
    parquet.write_table(
        pa.Table.from_pylist([{**row, "facts": json.dumps(row["facts"])} for row in rows]), tmp_path / "t.parquet"
    )
    (tmp_path / "t.json").write_text(json.dumps(rows))
    (tmp_path / "one.json").write_text(json.dumps(rows[0]))
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(json_lines(rows)))
    (tmp_path / "t.csv").write_bytes(csv_text(rows).replace(b"\n", b"\r\n"))
    with pa.CompressedOutputStream(str(tmp_path / "t.csv.zst"), "zstd") as sink:
        sink.write(csv_text(rows))
    for name, count in (
        ("t.parquet", 3),
        ("t.json", 3),
        ("one.json", 1),
        ("t.jsonl.gz", 3),
        ("t.csv", 3),
        ("t.csv.zst", 3),
    ):
        report = check_rows(None, _DOMAIN, _THINGS, tmp_path / name)
        assert (report.rows, report.errors, report.is_good) == (count, (), True), name
    assert check_rows(None, _DOMAIN, _THINGS, rows).is_good
    for data in (json_lines(rows), csv_text(rows)):
        assert check_rows(None, _DOMAIN, _THINGS, Stream(file=io.BytesIO(data))).is_good


def test_every_error_of_a_row_is_told_with_a_correction() -> None:
    row = thing(
        1, code=" ab ", day="31/12/2024", small="-10", amount="1,234.50", flag="yes", state="Opne", other_id="x"
    )
    report = _check(csv_text([thing(2), row]))
    found = {error.column: error for error in report.errors}
    assert (report.rows, report.bad_rows) == (2, 1)
    assert {error.line for error in report.errors} == {3}
    assert found["code"].corrected == "AB"
    assert found["day"].corrected == "2024-12-31"
    assert found["amount"].corrected == 1234.50
    assert found["flag"].corrected is True
    assert found["state"].corrected is None
    assert found["state"].suggestion == "did you mean `open`?"
    assert found["small"].suggestion == "did you mean `10`? (the smallest value allowed is -5)"
    assert "UUID" in found["other_id"].expected
    assert set(found) == {"code", "day", "amount", "flag", "state", "small", "other_id"}


def test_the_header_is_judged_once() -> None:
    rows = [
        {
            "thing_id": n,
            "Code": f"A{n}",
            "day": "2024-01-01",
            "at": f"2024-01-01T00:{n:02}:00Z",
            "doubled": 3,
            "colour": "red",
        }
        for n in range(1, 50)
    ]
    report = _check(csv_text(rows))
    assert _places(report) == {(None, 1, "Code"), (None, 1, "code"), (None, 1, "doubled"), (None, 1, "colour")}
    assert {error.suggestion for error in report.errors if error.column == "Code"} == {"did you mean `code`?"}
    assert (report.rows, report.error_count) == (49, 4)
    repeated = _check(b"thing_id,code,day,day\n1,AA,2024-01-01,2024-01-01\n")
    assert [(error.line, error.column) for error in repeated.errors] == [(1, "day")]
    with pytest.raises(ConfigError, match="names no column"):
        _check(b"thing_id;code\n1;2\n")


@pytest.mark.parametrize(
    ("record", "line", "words"),
    [
        (b'2,"A\n2",2024-01-01,2024-01-02T00:00:00Z\n3,A,2024-01-01,2024-01-03T00:00:00Z\n', 5, "at least 2"),
        (b"2,A2\n", 3, "expected 4 fields, found 2"),
        (b"\n\n3,A3,2024-01-01,,\n", 5, "found 5"),
        (b'4,A"4,2024-01-01,\n', 3, "a quote is opened"),
        (b"5,\xff\xfe,2024-01-01,\n", 3, "not UTF-8"),
        (b"6,A\x006,2024-01-01,\n", 3, "NUL"),
        (b"7,A7,2024-01-01,x\r\r\n", 3, "moment"),
    ],
)
def test_broken_records_are_told_with_their_line(record: bytes, line: int, words: str) -> None:
    data = _HEADER + b"1,A1,2024-01-01,\n" + record + b"9,A9,2024-01-09,2024-01-01T00:00:00Z\n"
    report = _check(data)
    told = {error.line: f"{error.expected} {error.found}" for error in report.errors}
    assert words in told[line]
    assert report.is_complete
    assert not report.is_good


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"[]\n", 2, "list"),
        (b'{"thing_id": 1\n', 2, "delimiter"),
        (b'{"thing_id": 1, "thing_id": 2}\n', 2, "twice"),
        (b'{"low": NaN}\n', 2, "NaN"),
        (b"[" * 100_000 + b"\n", 2, "nested"),
        (b"9" * 5000 + b"\n", 2, "limit"),
        (b'{"code": "\xff"}\n', 2, "UTF-8"),
    ],
)
def test_broken_lines_of_json_are_told_and_reading_goes_on(text: bytes, line: int, words: str) -> None:
    good = json_lines([thing(1)])
    report = _check(good + text + json_lines([thing(2)]), "jsonl")
    (error,) = report.errors
    assert (error.row, error.line, report.rows) == (line, line, 3)
    assert words in error.found


def test_broken_json_ends_the_reading() -> None:
    text = b'[\n{"thing_id": 1, "code": "AA",\n "day": "2024-01-01"},\n{"thing_id": oops}]'
    report = _check(text, "json")
    assert not report.is_complete
    assert not report.is_good
    assert [error.line for error in report.errors] == [4]
    assert _check(b"", "json").rows == 0
    assert _check(b'{"thing_id": 1} {"thing_id": 2}', "json").rows == 2
    assert not _check(b"[] []", "json").is_good
    assert not _check(b"[" + json_lines([thing(1)]), "json").is_good


def test_keys_are_compared_as_values() -> None:
    rows = [
        thing(1, thing_id="1"),
        thing(2, thing_id="01"),
        thing(3, code="XX", day="2024-01-05", at="2024-01-01T10:00:00Z"),
        thing(4, code="XX", day="2024-01-05", at="2024-01-01 11:00:00.000+01:00"),
        thing(5, at=None),
        thing(6, at=None),
    ]
    for vectorised in (True, False):
        report = _check(csv_text(rows), vectorised=vectorised)
        assert {(error.line, error.column) for error in report.errors} == {
            (3, "thing_id"),
            (5, "code, day"),
            (5, "at"),
            (7, "at"),  # NULLS NOT DISTINCT
        }
    (error,) = (error for error in report.errors if error.column == "code, day")
    assert error.found == "code = 'XX', day = '2024-01-05', as in line 4"


def test_conditions_over_columns() -> None:
    rows = [
        thing(1, low="5.00", high="4.99"),
        thing(2, low="5", high="5", flag="false", amount="0"),
        thing(3, low="5", high=None, label="1234567"),
        thing(4, low="x", high="1"),
    ]
    report = _check(csv_text(rows))
    assert {(error.line, error.column) for error in report.errors} == {
        (2, "low, high, amount, flag"),
        (3, "low, high, amount, flag"),
        (4, "label"),
        (5, "low"),
    }
    assert "label !~ 'x{3}'" in {entry.what for entry in report.not_checked}


def test_the_limit_bounds_what_is_kept_not_what_is_counted() -> None:
    heard: list[RowError] = []
    rows = [thing(number, day="tomorrow") for number in range(1, 501)]
    report = _check(csv_text(rows), max_errors=3, on_error=heard.append)
    assert (len(report.errors), report.error_count, report.bad_rows, len(heard)) == (3, 500, 500, 500)
    assert report.counts == {"day: a date as YYYY-MM-DD": 500}
    assert "and 497 more" in report.to_text()
    assert json.loads(json.dumps(report.to_json()))["error_count"] == 500


def test_rows_may_be_made_as_they_are_read() -> None:
    def made() -> Iterator[Mapping[str, object]]:
        for number in range(1, 12_001):
            yield {
                "thing_id": number,
                "code": f"A{number}",
                "day": "2024-01-01",
                "at": None if number == 1 else f"{2001 + number % 9}-02-01T00:00:{number % 60:02}.{number:06}Z",
            }

    seen: list[tuple[int, int]] = []
    report = check_rows(None, _DOMAIN, _THINGS, made(), CheckOptions(on_progress=lambda *each: seen.append(each)))
    assert (report.is_good, report.rows) == (True, 12_000), report.to_text()
    assert [rows for rows, _ in seen] == [5000, 10_000, 12_000]
    assert check_rows(None, _DOMAIN, _THINGS, [[1]]).errors[0].found == "list"  # type: ignore[list-item]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("")
    (tmp_path / "t.parquet").write_text("no")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(csv_text([thing(1)]))[:-9])
    for name, words in (
        ("t.txt", "format"),
        ("t.parquet", "Parquet"),
        ("t.csv.gz", "cannot be read"),
        ("no.csv", "cannot"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_rows(None, _DOMAIN, _THINGS, tmp_path / name)


@pytest.mark.postgres
def test_the_database_is_asked_for_what_only_it_knows(database: Database) -> None:
    with database.engine.connect() as connection, pytest.raises(NotReadyError):
        check_rows(connection, _DOMAIN, _THINGS, [thing(1)])
    with database.engine.begin() as connection:
        for statement in statements(_DOMAIN):
            run(connection, statement.sql)
        run(connection, "INSERT INTO everything.things (thing_id, code, day) VALUES (7, 'ZZ', '2024-05-05')")
    rows = [
        thing(1, code="ZZ", day="2024-05-05"),
        thing(7),
        thing(2, parent_id="3"),
        thing(3, parent_id="7"),
        thing(4, parent_id="99"),
        thing(5, label="a xxx b"),
    ]
    with database.engine.connect() as connection:
        for vectorised in (True, False):
            options = CheckOptions(file_format=FileFormat.CSV, vectorised=vectorised)
            report = check_rows(connection, _DOMAIN, _THINGS, Stream(file=io.BytesIO(csv_text(rows))), options)
            assert {(error.line, error.column) for error in report.errors} == {
                (2, "code, day"),
                (3, "thing_id"),
                (6, "parent_id"),
                (7, "label"),
            }
            assert {entry.what for entry in report.not_checked} == {"quality rule text", "the number of rows is > 0"}


@pytest.mark.postgres
def test_references_of_the_market(market_database: Database, market_domain: Domain) -> None:
    from groundwork.access.repository import Repositories

    repositories = Repositories(market_database.engine, market_domain)
    repositories["strategies"].insert([strategy()])
    repositories["stock_prices"].insert([price()])
    table = market_domain.table("trading_signals")
    rows = [
        signal(),
        signal(
            signal_id="00000000-0000-4000-8000-0000000000ff",
            ticker="NOPE",
            strategy_id="00000000-0000-4000-8000-0000000000ee",
        ),
    ]
    with market_database.engine.connect() as connection:
        report = check_rows(connection, market_domain, table, rows)
    assert {(error.row, error.column) for error in report.errors} == {(2, "strategy_id"), (2, "ticker, signal_date")}
