"""The vectorised check and the row-wise one find the same, whatever the values are."""

from __future__ import annotations

import io
import json
import string
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundwork.access.check import CheckOptions, check_rows
from groundwork.access.check_plain import plain
from groundwork.access.check_report import CheckReport
from groundwork.access.check_source import FileFormat, Rows, Stream
from groundwork.access.relation import relation
from groundwork.access.validation import RowRules
from tests.access.check_samples import csv_text, everything, json_lines, thing

_DOMAIN = everything()
_DIGITS = st.text("0123456789.-+eE_ ", max_size=12)
_WORDS = st.sampled_from(
    [
        "", " ", "t", "TRUE", "no", "open", "Open", "it's wild", "calm", "A B", "ÄÖ", "AB\n", "bad%label",
        "xxx", "x!", "1,5", "2024-02-30", "2024-2-3", "0001-01-01", "9999-12-31", "2029-12-31", "2030-01-01",
        "31/12/2024", "infinity", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00+01", "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00.1234567Z", "2024-01-01T10:00", "2024-01-01t10:00:00z",
        "2001-01-01T00:59:00+01:00", "10:30:00", "10:30", "25:00:00", "a@b.co", "a@b", "é@b.co",
        "00000000-0000-4000-8000-00000000000A", "{}", "[]", '{"a": 1,}', '{"a": NaN}', "null", '{"a": 1e400}',
        '{"a": "\\u0000"}', '["x"]', "{a,b}", '{"x,y",NULL}', "10.0.0.1", "10.0.0.300", "NaN", "0.005",
        "-0.005", "99999999.995", "99999999.994", "-0", "007", "+5", "1e2", "12345678901234567890.5",
    ]
)  # fmt: skip
_NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, allow_nan=False, places=3).map(float),
)
_TEXTS = st.text(string.printable + "äß\u00a0\u2028🙂", max_size=9)
_FIELD_TEXTS = st.one_of(st.none(), _WORDS, _DIGITS, _TEXTS, st.integers(-(10**20), 10**20).map(str))
_JSON = st.one_of(st.none(), st.booleans(), _NUMBERS, _FIELD_TEXTS, st.just([]), st.just(["a"]), st.just({"a": [1.5]}))
_COLUMNS = [column.name for column in _DOMAIN.table("things").columns if column.name != "doubled"]


_FITTING: dict[str, st.SearchStrategy[Any]] = {
    "small": st.integers(-3, 40).map(lambda number: number * 5),
    "low": st.integers(-(10**9), 10**9).map(lambda number: number / 100),
    "high": st.floats(-200, 10**6),
    "amount": st.integers(-(10**12), 10**12).map(lambda number: number / 10**6),
    "ratio": st.floats(0.05, 1.6),
    "at": st.datetimes(datetime(2000, 12, 30), datetime(2002, 1, 3)).map(lambda moment: f"{moment.isoformat()}+00:00"),  # noqa: DTZ001
    "day": st.dates(date(1999, 12, 1), date(2030, 2, 1)).map(str),
    "local_at": st.datetimes().map(str),
    "clock": st.times().map(str),
    "other_id": st.uuids().map(str),
    "code": st.from_regex(r"\A[A-Z0-9]{1,9}\Z"),
    "mail": st.emails(),
    "state": st.sampled_from(["open", "done"]),
    "mood": st.sampled_from(["calm", "it's wild"]),
    "flag": st.booleans(),
    "parent_id": st.integers(-5, 50),
}


def _rows(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    odd = st.tuples(st.sampled_from(_COLUMNS), values)
    fitting = st.sampled_from(sorted(_FITTING)).flatmap(lambda name: st.tuples(st.just(name), _FITTING[name]))
    changes = st.lists(odd | fitting, max_size=4).map(dict)
    return st.lists(changes, min_size=1, max_size=40).map(
        lambda found: [thing(number, **change) for number, change in enumerate(found, 1)]
    )


def _both(make: Callable[[], Rows], file_format: FileFormat) -> tuple[CheckReport, CheckReport]:
    table = _DOMAIN.table("things")
    quick, slow = (
        check_rows(
            None, _DOMAIN, table, make(), CheckOptions(file_format=file_format, vectorised=each, max_errors=1000)
        )
        for each in (True, False)
    )
    return quick, slow


def _told(report: CheckReport) -> list[str]:
    return sorted(json.dumps(error.to_json(), default=str) for error in report.errors)


_SETTINGS = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@_SETTINGS
@given(_rows(_FIELD_TEXTS))
def test_csv(rows: list[dict[str, Any]]) -> None:
    data = csv_text(rows)
    quick, slow = _both(lambda: Stream(file=io.BytesIO(data)), FileFormat.CSV)
    assert _told(quick) == _told(slow)
    assert (quick.rows, quick.bad_rows, quick.error_count) == (slow.rows, slow.bad_rows, slow.error_count)


@_SETTINGS
@given(_rows(_JSON))
def test_json_lines(rows: list[dict[str, Any]]) -> None:
    data = json_lines(rows)
    quick, slow = _both(lambda: Stream(file=io.BytesIO(data)), FileFormat.JSONL)
    assert _told(quick) == _told(slow)
    assert quick.rows == slow.rows == len(rows)


@settings(_SETTINGS, max_examples=12)
@given(data=st.data())
def test_parquet(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path: Path = tmp_path_factory.getbasetemp() / "things.parquet"
    kinds: dict[str, Any] = {
        "thing_id": (st.integers(1, 3), pa.int32()),
        "code": (_WORDS, pa.string()),
        "day": (st.dates(), pa.date32()),
        "small": (st.floats(-20, 20), pa.float64()),
        "low": (st.decimals(-(10**9), 10**9, places=4, allow_nan=False), pa.decimal128(20, 4)),
        "high": (st.integers(-200, 200), pa.int64()),
        "flag": (st.booleans(), pa.bool_()),
        "at": (st.datetimes(timezones=st.just(UTC)), pa.timestamp("us", tz="UTC")),
        "local_at": (st.datetimes(), pa.timestamp("ms")),
        "facts": (_WORDS, pa.string()),
    }
    count = data.draw(st.integers(1, 6))
    arrays = {}
    for name, (values, kind) in kinds.items():
        drawn = data.draw(st.lists(st.one_of(st.none(), values), min_size=count, max_size=count))
        arrays[name] = pa.array(drawn, kind, safe=False) if name == "local_at" else pa.array(drawn, kind)
    parquet.write_table(pa.table(arrays), path)
    quick, slow = _both(lambda: path, FileFormat.PARQUET)
    assert _told(quick) == _told(slow)
    assert quick.rows == slow.rows == count


def test_the_vectorised_half_knows_most_columns() -> None:
    """Else the properties above would compare the row-wise rules with themselves."""
    rules = RowRules(relation(_DOMAIN.table("things")))
    unknown = {name for name, field in rules.fields.items() if plain(field) is None}
    assert unknown == {"small", "names", "address"}
