"""CSV is cut and read as PostgreSQL's COPY reads it, whatever the size of the blocks."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from groundwork.flow import csv_text
from groundwork.flow.csv_text import blocks, records, split_record
from groundwork.flow.driver import driver_connection
from tests.fix_postgres import Database

_FIELDS = st.lists(st.text(alphabet='ab",\n\r é', max_size=6), min_size=2, max_size=3)


def _written(rows: list[list[str]]) -> bytes:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return sink.getvalue().encode()


@given(rows=st.lists(_FIELDS, max_size=20), block_bytes=st.integers(1, 60))
def test_no_byte_is_lost_and_no_record_cut(rows: list[list[str]], block_bytes: int) -> None:
    data = _written(rows)
    found = list(blocks(io.BytesIO(data), block_bytes))
    assert b"".join(found) == data
    assert all(block.count(b'"') % 2 == 0 for block in found)


@given(rows=st.lists(st.lists(st.text(alphabet='ab",\n é', max_size=6), min_size=2, max_size=2), max_size=20))
def test_what_was_written_is_read(rows: list[list[str]]) -> None:
    found = [fields for _, fields, _ in records(_written(rows), 2)]
    assert found == rows


@given(data=st.binary(max_size=200), block_bytes=st.integers(1, 50))
def test_any_bytes_end_up_in_some_block(data: bytes, block_bytes: int) -> None:
    assert b"".join(blocks(io.BytesIO(data), block_bytes)) == data


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b"a,b\n", None),
        (b"a\n", "column_count"),
        (b"a,b,c\n", "column_count"),
        (b"\xffa,b\n", "encoding"),
        (b"a\x00,b\n", "nul_byte"),
        (b'a,"b\n', "unterminated_quote"),
    ],
)
def test_each_fault_has_its_reason_and_spares_its_neighbours(line: bytes, rule: str | None) -> None:
    found = list(records(b"1,2\n" + line + b"3,4\n", 2))
    assert [reason and str(reason.rule) for _, _, reason in found] == [None, rule, None]
    assert [fields for _, fields, _ in found][::2] == [["1", "2"], ["3", "4"]]


def test_blank_lines_are_no_records() -> None:
    assert [fields for _, fields, _ in records(b"\n1,2\n\r\n\n3,4", 2)] == [["1", "2"], ["3", "4"]]


def test_an_open_quote_cannot_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "MAX_RECORD_BYTES", 100)
    data = b'1,"open\n' + b"2,3\n" * 1000
    found = list(blocks(io.BytesIO(data), 50))
    assert found[0] == b'1,"open\n'
    assert max(map(len, found)) <= 200
    assert b"".join(found) == data


@pytest.mark.postgres
@pytest.mark.parametrize(
    "line",
    [
        "a,b,c",
        "a,,c",
        'a,"",c',
        '"a,b","c""d",e',
        'a"b"c,"x"y,z',
        '"a\nb",c,""""',
        ' a , "b" ,c',
        'é,"ü""",""""""',
        ",,",
    ],
)
def test_the_server_reads_the_same(database: Database, line: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE read (a text, b text, c text)"))
        with driver_connection(connection).cursor() as cursor, cursor.copy("COPY read FROM STDIN (FORMAT csv)") as copy:
            copy.write(line.encode() + b"\n")
        assert list(connection.execute(text("SELECT * FROM read")).one()) == split_record(line)
