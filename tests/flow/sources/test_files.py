"""Files of every format and packing give the same records, whole, in parts, and taken up again behind any batch."""

from __future__ import annotations

import gzip
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from groundwork.flow import csv_text
from groundwork.flow.sources.delimited import DelimitedSource
from groundwork.flow.sources.dialect import Dialect
from groundwork.flow.sources.files import partition_values
from groundwork.flow.sources.json_lines import JsonLinesSource
from groundwork.flow.sources.origin import Origin
from groundwork.flow.sources.parts import named_part
from groundwork.model.errors import ConfigError, DataQualityError, RetriableError
from tests.flow.sources.packers import PACKERS
from tests.flow.sources.reading import column, in_parts, opened, read, records, resumed, rows

COLUMNS = [column("id", "integer", key=1), column("name", "text"), column("price", "numeric(10,2)")]
LINES = [("1", "a", "1.50"), ("2", 'say "hi", you', None), ("3", "", "3"), ("4", "ü\nx", "4.25")]
CSV = 'id,name,price\n1,a,1.50\n2,"say ""hi"", you",\n3,"",3\n4,"ü\nx",4.25\n'


@pytest.mark.parametrize("suffix", PACKERS)
def test_csv_in_every_packing_is_told_by_its_suffix(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a.csv{suffix}").write_bytes(PACKERS[suffix](CSV.encode()))
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": f"a.csv{suffix}", "format": "csv"}, batch_rows=1)
    assert rows(source) == LINES
    assert resumed(source) == read(source)
    assert in_parts(source, 3) == read(source)
    assert source.checksum()


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip"])
def test_a_packed_file_that_was_cut_off_is_never_taken_for_whole(tmp_path: Path, suffix: str) -> None:
    packed = PACKERS[suffix]("".join(["id,name,price\n", *(f"{n},n{n * 7919},1\n" for n in range(50_000))]).encode())
    (tmp_path / f"a.csv{suffix}").write_bytes(packed[: len(packed) // 2])
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": f"a.csv{suffix}", "format": "csv"}, batch_rows=100)
    with pytest.raises(RetriableError, match="broke off") as caught:
        records(source)
    assert caught.value.next_step


def test_a_zip_file_of_several_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", CSV)
        archive.writestr("b.csv", CSV)
    with pytest.raises(ConfigError, match="exactly one file"):
        opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.csv.zip", "format": "csv"}).columns  # noqa: B018


@pytest.mark.parametrize(
    ("text", "encoding", "words"),
    [
        ("id;name;price\n1;a;1.50\n2;say \"hi\", you;NA\n3;'';3\n4;'ü\nx';4.25\n", "latin-1", {"quote": "'"}),
        ('id|name|price\r\n1|a|1.50\r\n2|"say ""hi"", you"|NA\r\n3|""|3\r\n4|"ü\nx"|4.25\r\n', "utf-16", {}),
        (
            '1\ta\t1.50\n2\t"say ""hi"", you"\tNA\n3\t""\t3\n4\t"ü\nx"\t4.25\n',
            "utf-8",
            {"header": ["id", "name", "price"]},
        ),
        ('\ufeffid,name,price\n1,a,1.50\n2,"say ""hi"", you",NA\n3,"",3\n4,"ü\nx",4.25', "utf-8", {}),
    ],
)
@pytest.mark.parametrize("batch_rows", [1, 1_000])
def test_other_dialects_become_what_copy_reads(
    tmp_path: Path, text: str, encoding: str, words: dict[str, Any], batch_rows: int
) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    delimiter = next(each for each in ";|\t," if each in text.splitlines()[0])
    declared = {"delimiter": delimiter, "encoding": encoding, "null": "NA", **words}
    source = opened(
        tmp_path, COLUMNS, {"kind": "file", "path": "a.txt", "format": "csv", **declared}, batch_rows=batch_rows
    )
    assert rows(source) == LINES
    assert resumed(source) == read(source)
    assert in_parts(source, 2) == read(source)
    copied = Dialect()
    for batch in source.batches():
        assert batch.block is not None
        assert [r.values for r in batch.records(1)] == [
            tuple(copied.split(line)) for line in _lines(batch.block.decode())
        ]


def _lines(text: str) -> list[str]:
    found = [""]
    for line in text.splitlines(keepends=True):
        found[-1] += line
        if found[-1].count('"') % 2 == 0:
            found[-1] = found[-1].rstrip("\r\n")
            found.append("")
    return [line for line in found if line]


def test_bytes_that_are_no_text_are_a_reason_and_spare_their_neighbours(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"1;a;1\n2;\x81;2\n3;c;3\n")
    declared = {"delimiter": ";", "encoding": "cp1252", "header": ["id", "name", "price"]}
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.txt", "format": "csv", **declared})
    assert [labels for _, labels in read(source)] == [(), ("encoding",), ()]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"delimiter": "::"}, "delimiter"),
        ({"delimiter": "ü"}, "delimiter"),
        ({"quote": ","}, "quote"),
        ({"header": False}, "header"),
        ({"encoding": "no-such"}, "encoding"),
        ({"encoding": "base64"}, "encoding"),
        ({"compression": "rar"}, "compression"),
        ({"delimitr": ";"}, "key that nobody knows"),
        ({"on_schema_change": "ignore"}, "on_schema_change"),
        ({"empty": "maybe"}, "empty"),
        ({"connection": "s3"}, "means nothing here"),
        ({"format": "xlsx"}, "format"),
        ({"format": "jsonl", "delimiter": ";"}, "means nothing here"),
    ],
)
def test_a_wrong_declaration_is_told_as_a_whole(tmp_path: Path, words: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.csv", "format": "csv", **words})
    assert caught.value.where
    assert caught.value.next_step
    assert caught.value.expected


def test_the_nearest_key_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.csv", "format": "csv", "delimitr": ";"})
    assert caught.value.expected == "`delimiter`"


OBJECTS = [
    {"id": 1, "name": "a", "price": 1.5},
    {"id": 2, "name": '[{"x\\\\', "price": None},
    {"id": 3, "name": "ü}]", "price": 3},
]


@pytest.mark.parametrize("suffix", [".gz", ".zst", ""])
@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_json_in_both_forms(tmp_path: Path, form: str, suffix: str) -> None:
    lines = [json.dumps(each, ensure_ascii=False) for each in OBJECTS]
    text = "\n".join(lines) if form == "jsonl" else "\ufeff [ " + " ,\n".join(lines) + "] \n"
    (tmp_path / f"a{suffix}").write_bytes(PACKERS[suffix](text.encode()))
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": f"a{suffix}", "format": form}, batch_rows=2)
    expected = [("1", "a", "1.5"), ("2", '[{"x\\\\', None), ("3", "ü}]", "3")]
    assert rows(source) == expected
    assert resumed(source) == read(source)
    assert in_parts(source, 3) == read(source)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[{"id": 1}, {"id": 2', RetriableError),
        ('[{"id": 1}', RetriableError),
        ('[{"id": "x', RetriableError),
        ("", RetriableError),
    ],
)
def test_an_array_that_does_not_end_has_broken_off(tmp_path: Path, text: str, error: type[Exception]) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(error, match="broke off"):
        read(opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.json", "format": "json"}))


@pytest.mark.parametrize("text", ['{"id": 1}', '[{"id": 1}} , {"id": 2}]', '[{"id": 1}] x'])
def test_what_is_no_array_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataQualityError, match="not the JSON that was declared"):
        read(opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.json", "format": "json"}))


def test_a_broken_element_spares_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"id": 1}, {"id": oops}, 7, , {"id": 1, "other": 2}, {"id": 4}]')
    found = read(opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.json", "format": "json"}))
    assert [labels for _, labels in found] == [(), ("not_json",), ("not_json",), ("not_json",), ("unknown_field",), ()]


def test_json_numbers_inside_documents_keep_their_digits(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "more": {"n": 0.10000000000000000001, "m": 1.5, "l": [1e2, null]}}\n')
    columns = [column("id", "integer", key=1), {"name": "more", "logicalType": "object", "physicalType": "jsonb"}]
    found = rows(opened(tmp_path, columns, {"kind": "file", "path": "a.jsonl", "format": "jsonl"}))
    assert '"n": 0.10000000000000000001' in (found[0][1] or "")


def _write_files(folder: Path) -> None:
    for year, month, lines in ((2020, 1, "1,a\n"), (2020, 2, "2,b\n3,c\n"), (2021, 1, "4,d\n")):
        place = folder / f"data/year={year}/month={month:02d}"
        place.mkdir(parents=True)
        (place / "x.csv").write_text("id,name\n" + lines)
    (folder / "data/year=2021/_SUCCESS.csv").write_text("marker")


YEARS = [column("id", "integer", key=1), column("name", "text"), column("year", "integer"), column("price", "integer")]


@pytest.mark.parametrize("columns", [None, {"id": "id", "name": "name", "year": "year"}])
def test_a_glob_reads_files_by_name_with_their_folders_as_columns(
    tmp_path: Path, columns: dict[str, str] | None
) -> None:
    _write_files(tmp_path)
    declared = {"kind": "file", "path": "data/**/*.csv", "format": "csv", **({"columns": columns} if columns else {})}
    source = opened(tmp_path, YEARS, declared, batch_rows=1)
    expected = [("1", "a", "2020"), ("2", "b", "2020"), ("3", "c", "2020"), ("4", "d", "2021")]
    assert rows(source) == expected
    assert next(iter(source.batches())).block == b"1,a,2020\n"
    assert resumed(source) == read(source)
    for wanted in (2, 3, 7):
        parts = source.parts(wanted)
        assert len({part.description for part in parts}) == len(parts) >= 2
        assert [row for part in parts for row in rows(part)] == expected
    assert source.fingerprint
    assert source.checksum()


def test_files_of_a_glob_may_order_their_fields_differently(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,a\n")
    (tmp_path / "b.csv").write_text("name,id,price\nb,2,5\n")
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": "*.csv", "format": "csv"})
    found = [dict(zip(source.columns, values, strict=True)) for values in rows(source)]
    assert found == [{"id": "1", "name": "a", "price": None}, {"id": "2", "name": "b", "price": "5"}]
    assert [row for part in source.parts(2) for row in read(part)] == read(source)


def test_a_glob_that_matches_nothing(tmp_path: Path) -> None:
    declared = {"kind": "file", "path": "none/*.csv", "format": "csv"}
    with pytest.raises(ConfigError, match="no file matches"):
        opened(tmp_path, COLUMNS, declared)
    empty = opened(tmp_path, COLUMNS, {**declared, "empty": "allow"})
    assert read(empty) == []
    assert empty.columns == ("id", "name", "price")


def test_a_glob_cannot_leave_the_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inside the project"):
        opened(tmp_path, COLUMNS, {"kind": "file", "path": "../*.csv", "format": "csv"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.csv").write_text(CSV)
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.csv").symlink_to(outside / "x.csv")
    with pytest.raises(ConfigError, match="no file matches"):
        opened(project, COLUMNS, {"kind": "file", "path": "*.csv", "format": "csv"})


def test_a_file_that_vanishes_after_it_was_listed_is_worth_a_retry(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(CSV)
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": "*.csv", "format": "csv"})
    assert source.columns
    (tmp_path / "b.csv").unlink()
    with pytest.raises(RetriableError, match="cannot be opened"):
        records(source)


def test_a_file_that_grows_while_it_is_read_is_not_taken_for_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(CSV)
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.csv", "format": "csv"}, batch_rows=1)

    def grow() -> None:
        for _ in source.batches():
            with file.open("a") as sink:
                sink.write("9,z,1\n")

    with pytest.raises(RetriableError, match="changed while it was read"):
        grow()


def test_a_part_of_a_file_that_was_cut_off_has_broken_off(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,name,price\n" + "".join(f"{n},n,1\n" for n in range(500)))
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": "a.csv", "format": "csv"}, batch_rows=10)
    first = source.parts(3)[0]
    assert read(first)
    file.write_text(file.read_text()[:100])
    with pytest.raises(RetriableError, match="broke off"):
        records(first)


def test_object_storage_is_read_through_resources(tmp_path: Path) -> None:
    from upath import UPath

    folder = UPath(f"memory://bucket-{tmp_path.name}/in")
    for name, lines in (("b", "3,c,\n"), ("a", "1,a,\n2,b,\n")):
        with (folder / f"{name}.csv.gz").open("wb") as sink:
            sink.write(gzip.compress(f"id,name,price\n{lines}".encode()))
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": f"{folder}/*.csv.gz", "format": "csv"})
    assert [values[0] for values in rows(source)] == ["1", "2", "3"]
    assert resumed(source) == read(source)
    one = opened(tmp_path, COLUMNS, {"kind": "file", "path": f"{folder}/a.csv.gz", "format": "csv"})
    assert len(rows(one)) == 2
    with pytest.raises(ConfigError, match="cannot be opened"):
        records(opened(tmp_path, COLUMNS, {"kind": "file", "path": f"{folder}/c.csv.gz", "format": "csv"}))


def test_a_package_is_found_without_running_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site" / "fails_to_import"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('must not run')")
    (package / "data" / "a.csv").write_text(CSV)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for path in ("data/a.csv", "data/*.csv"):
        declared = {"kind": "file", "package": "fails_to_import", "path": path, "format": "csv"}
        assert rows(opened(tmp_path, COLUMNS, declared)) == LINES
    assert "fails_to_import" not in sys.modules
    with pytest.raises(ConfigError, match="inside the project"):
        records(opened(tmp_path, COLUMNS, {**declared, "path": "../../../etc/passwd"}))


def test_a_part_is_found_by_its_name_without_reading_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "items.csv"
    file.write_text("id,name,price\n" + "".join(f"{number},x,\n" for number in range(100)))
    source = opened(tmp_path, COLUMNS, {"kind": "file", "path": "items.csv", "format": "csv"}, batch_rows=2)
    parts = source.parts(3)
    assert len(parts) == 3
    names = [part.description for part in parts]
    with monkeypatch.context() as patched:
        patched.setattr(csv_text, "blocks", None)  # nothing reads
        found = [named_part(source, 3, name) for name in names]
    assert [rows(part) for part in found if part] == [rows(part) for part in parts]
    assert named_part(source, 3, "items.csv") is None
    assert named_part(source, 1, "items.csv") is source
    file.write_text("id,name,price\n" + "".join(f"{number},yy,\n" for number in range(100)))
    assert [named_part(source, 3, name) for name in names] == [None, None, None]


def test_partitions_are_values_of_folders() -> None:
    assert partition_values("a=1/b=x%2Fy/c=__HIVE_DEFAULT_PARTITION__/d=2.csv") == {"a": "1", "b": "x/y", "c": None}


@pytest.mark.parametrize("policy", ["quarantine"])
def test_strangers_are_left_to_the_load_unless_the_schema_is_frozen(tmp_path: Path, policy: str) -> None:
    (tmp_path / "a.csv").write_text("id,new,name\n1,x,a\n")
    declared = {"kind": "file", "path": "a.csv", "format": "csv"}
    with pytest.raises(ConfigError, match="header"):
        opened(tmp_path, COLUMNS, declared).columns  # noqa: B018
    source = opened(tmp_path, COLUMNS, {**declared, "on_schema_change": policy})
    assert source.fields == ("id", None, "name")
    assert [each.name for each in source.found_fields()] == ["id", "new", "name"]  # type: ignore[attr-defined]
    assert rows(source) == [("1", "a")]


# Any bytes at all: broken quotes, broken encodings, lines of every width.
_BYTES = st.lists(
    st.sampled_from([b"a", b'"', b",", b"\n", b"\r\n", b'""', b"\xff", "é".encode(), b"1,2\n", b'"x\ny",2\n', b"3,\n"]),
    max_size=60,
).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(data=_BYTES, batch_rows=st.sampled_from([1, 2, 50]), wanted=st.integers(2, 5), has_header=st.booleans())
def test_csv_in_parts_and_taken_up_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, batch_rows: int, wanted: int, *, has_header: bool
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    (folder / "a.csv").write_bytes((b"a,b\n" if has_header else b"") + data)
    dialect = Dialect(header=None if has_header else ("a", "b"))

    def source() -> DelimitedSource:
        return _small(folder, dialect, batch_rows)

    whole = read(source())
    assert resumed(source(), source) == whole
    assert in_parts(source(), wanted) == whole


class _SmallBlocks(DelimitedSource):
    """Blocks of some bytes, so that a short file has many."""

    @property
    def _block_bytes(self) -> int:
        return self.batch_rows * 3


def _small(folder: Path, dialect: Dialect, batch_rows: int) -> DelimitedSource:
    return _SmallBlocks(
        origin=Origin(project=folder, path="a.csv"),
        mapping=None,
        known_columns=("a", "b"),
        batch_rows=batch_rows,
        dialect=dialect,
    )


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.sampled_from(['{"a": 1}', "", "oops", '{"a": "é\\n"}', '{"b": 2}']), max_size=20),
    batch_rows=st.integers(1, 4),
    wanted=st.integers(2, 5),
)
def test_json_lines_in_parts_and_taken_up_again_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], batch_rows: int, wanted: int
) -> None:
    folder = tmp_path_factory.mktemp("json")
    (folder / "a.jsonl").write_text("\n".join(lines))
    source = JsonLinesSource(
        origin=Origin(project=folder, path="a.jsonl"),
        mapping={"a": "a"},
        types={"a": "text"},
        refuses_unknown=True,
        batch_rows=batch_rows,
    )
    assert resumed(source) == in_parts(source, wanted) == read(source)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=6), batch_rows=st.integers(1, 9), wanted=st.integers(2, 5)
)
def test_parquet_in_parts_and_taken_up_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], batch_rows: int, wanted: int
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    number = 0
    with parquet.ParquetWriter(folder / "a.parquet", schema) as writer:
        for size in sizes:
            ids = list(range(number, number + size))
            writer.write_table(pa.table({"id": ids, "name": [None if n % 3 else f"n{n}" for n in ids]}, schema))
            number += size
    source = opened(
        folder, COLUMNS[:2], {"kind": "file", "path": "a.parquet", "format": "parquet"}, batch_rows=batch_rows
    )
    whole = read(source)
    assert [values[0] for values, _ in whole] == [str(n) for n in range(number)]
    assert resumed(source) == in_parts(source, wanted) == whole
