"""Files that are not as one would like: read as they are meant, or refused with the line and what is wrong there."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from groundwork.infer.files import infer_files
from groundwork.infer.profile import Proposal
from groundwork.model.errors import ConfigError


def inferred(tmp_path: Path, name: str, content: str | bytes, **options: Any) -> Proposal:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return infer_files(path, domain="shop", project=tmp_path, **options)


def columns(proposal: Proposal, table: int = 0) -> dict[str, str]:
    return {each["name"]: each["physicalType"] for each in proposal.document["schema"][table]["properties"]}


def source(proposal: Proposal) -> Any:
    custom = proposal.document["schema"][0].get("customProperties", [])
    return next((entry["value"] for entry in custom if entry["property"] == "source"), None)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "\ufeffid,name\n1,x\n2,y\n")
    assert columns(found) == {"id": "integer", "name": "text"}
    assert source(found)["columns"] == {"id": "id", "name": "name"}


def test_quotes_newlines_and_delimiters_inside_fields_are_data(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", 'id,"the ""note""\nof it"\n1,"a, b\nc"\n2,"d ""e"""\n3,\n')
    assert columns(found) == {"id": "integer", "the_note_of_it": "text"}
    assert "a load reads other names in the header" in found.left_out[0]
    properties = found.document["schema"][0]["properties"]
    assert [each["required"] for each in properties] == [True, False]


def test_semicolons_single_quotes_and_tabs_are_seen_and_declared(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "id;name\n1;'x;y'\n2;'z'\n")
    assert columns(found) == {"id": "integer", "name": "text"}
    assert (source(found)["delimiter"], source(found)["quote"]) == (";", "'")
    found = inferred(tmp_path, "b.tsv", "id\tname\n1\tx\n")
    assert columns(found) == {"id": "integer", "name": "text"}
    assert source(found)["delimiter"] == "\t"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_other_encodings_are_read_and_declared(tmp_path: Path, encoding: str) -> None:
    found = inferred(tmp_path, "a.csv", "id,größe\n1,é\n2,ü\n".encode(encoding))
    assert columns(found) == {"id": "integer", "groesse": "text"}
    assert source(found)["encoding"] == encoding


def test_one_letter_in_another_encoding_far_behind_is_found(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(300_000)) + b"-1,\xe9\n")
    assert found.document["schema"][0]["properties"][1]["name"] == "name"
    assert source(found)["encoding"] == "cp1252"


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("a,b\n1,2\n3\n", "line 3", "1 fields"),
        ("a,b\n1,2\n3,4,5\n", "line 3", "3 fields"),
        ('a,b\n1,"x\ny"\n3\n', "line 4", "1 fields"),
        ('a,b\n1,2\n3,"x\n4,5\n', "line 3", "cannot be taken apart"),
        ("a,b\n1,x\n2,y\x00z\n", "line 3", "NUL"),
    ],
)
def test_broken_records_are_refused_with_their_line(tmp_path: Path, content: str, line: str, found: str) -> None:
    with pytest.raises(ConfigError) as error:
        inferred(tmp_path, "a.csv", content)
    assert str(error.value.where).endswith(line)
    assert found in str(error.value.found)
    assert error.value.next_step


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ('{"a": 1}\n[1]\n', "line 2", "no object"),
        ('{"a": 1}\n\n{"a": 1, "a": 2}\n', "line 3", "'a' twice"),
        ('{"a": 1}\n{"a": \n', "line 2", "no JSON"),
    ],
)
def test_broken_json_lines_are_refused_with_their_line(tmp_path: Path, content: str, line: str, found: str) -> None:
    with pytest.raises(ConfigError) as error:
        inferred(tmp_path, "a.jsonl", content)
    assert str(error.value.where).endswith(line)
    assert found in str(error.value.found)


@pytest.mark.parametrize(("name", "content"), [("a.csv", ""), ("a.csv", "\n \n"), ("a.jsonl", ""), ("a.json", " ")])
def test_empty_files_are_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ConfigError, match="the file is empty"):
        inferred(tmp_path, name, content)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.csv.gz", "no gzip", "cannot be read"),
        ("a.csv.zst", "no zstd", "cannot be read"),
        ("a.xlsx", "PK", "format of the file is not known"),
        ("a.jsonl", "{}\n{}\n", "the records have no fields"),
        ("a.json", '[{"a": 1}, {"a": ]', "a record of the file is broken"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path: Path, name: str, content: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        inferred(tmp_path, name, content)


def test_a_gzip_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"id,name\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(50_000)))
    with pytest.raises(ConfigError, match="cannot be read"):
        inferred(tmp_path, "a.csv.gz", whole[: len(whole) // 2])


def test_a_header_alone_gives_text_columns_and_a_number_for_rows(tmp_path: Path) -> None:
    found = inferred(tmp_path, "orders.csv", "order_ref,placed_on\n")
    assert columns(found) == {"order_row_id": "bigint", "order_ref": "text", "placed_on": "text"}
    assert "nothing identifies a row" in found.left_out[0]


def test_names_that_come_twice_or_are_missing_are_told_apart(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "id,Value,value,\n1,2,3,4\n2,3,4,5\n")
    assert list(columns(found)) == ["id", "value", "value_2", "column_4"]
    assert source(found)["columns"] == {"id": "id", "value": "Value", "value_2": "value", "column_4": ""}
    again = inferred(tmp_path, "b.csv", "id,x,x\n1,2,3\n2,3,4\n")
    assert source(again) is None
    assert "same name" in again.left_out[0]


def test_unicode_names_become_plain_ones_and_the_source_keeps_them(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "Größe (cm),日本,Straße,select,ÉtatCivil\n1,a,b,c,d\n2,b,c,d,e\n")
    assert list(columns(found)) == ["groesse_cm", "column_2", "strasse", "select_value", "etat_civil"]
    assert list(source(found)["columns"].values()) == ["Größe (cm)", "日本", "Straße", "select", "ÉtatCivil"]


def test_a_file_without_header_is_seen(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "1,x,2020-01-01\n2,y,2020-01-02\n")
    assert columns(found) == {"column_1": "integer", "column_2": "text", "column_3": "date"}
    assert source(found)["header"] == ["column_1", "column_2", "column_3"]
    repeated = inferred(tmp_path, "b.csv", "Ann,Bern\nBob,Rome\nEve,Bern\n")
    assert list(columns(repeated)) == ["column_1", "column_2"]


def test_spaces_around_names_stay_in_the_source(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "id, name ,note\r\n1,x,y\r\n2,y,z\r\n")
    assert source(found)["columns"] == {"id": "id", "name": " name ", "note": "note"}


def test_lines_that_end_in_a_carriage_return_alone_are_read_but_not_loaded(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.csv", "id,name\r1,x\r2,y\r")
    assert columns(found) == {"id": "integer", "name": "text"}
    assert "a load reads other names in the header" in found.left_out[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_columns_are_read(tmp_path: Path) -> None:
    header = ",".join(f"field {place}" for place in range(1000))
    rows = "".join(",".join(str(place * row) for place in range(1000)) + "\n" for row in range(1, 4))
    found = columns(inferred(tmp_path, "wide.csv", f"{header}\n{rows}"))
    assert len(found) == 1000
    assert found["field_7"] == "integer"


def test_hostile_names_are_never_run(tmp_path: Path) -> None:
    hostile = "x'); DROP TABLE t0; --"
    found = inferred(tmp_path, "a.csv", f'id,"{hostile}","{{v}}"\n1,2,3\n')
    assert list(columns(found)) == ["id", "x_drop_table_t0", "v"]
    lines = inferred(tmp_path, "b.jsonl", '{"id": 1, "x\'); DROP TABLE t0; --": 2, "{v}": {"a\'b": 1}}\n')
    assert list(columns(lines)) == ["id", "x_drop_table_t0", "v"]
    folder = tmp_path / "a'b{c}"
    folder.mkdir()
    assert columns(inferred(folder, "it's {x}.csv", "id\n1\n2\n")) == {"id": "integer"}


def test_keys_that_differ_in_their_letters_size_only_stay_apart(tmp_path: Path) -> None:
    found = inferred(tmp_path, "a.jsonl", '{"id": 1, "Id": "x", "a/b": 1}\n{"id": 2, "Id": "y", "a~b": 2}\n')
    assert columns(found) == {"id": "integer", "id_2": "text", "a_b": "integer", "a_b_2": "integer"}


def test_json_values_have_the_types_they_are_written_in(tmp_path: Path) -> None:
    found = inferred(
        tmp_path,
        "a.jsonl",
        '{"id": 1, "code": "5", "at": "2020-01-31T10:00:00Z", "tags": ["a", "b"], "sizes": [1, 2], "price": 1.50, '
        '"deep": {"a": {"b": [1.5]}}, "list": [{"x": 1}], "odd": 1, "any": {"a": 1}, "ok": true, "none": null}\n'
        '{"id": 2, "code": "7", "at": "2020-02-01T10:00:00+02:00", "tags": [], "price": 22, "odd": "x", "any": 5}\n',
    )
    assert columns(found) == {
        "id": "integer", "code": "text", "at": "timestamptz", "tags": "text[]", "sizes": "bigint[]",
        "price": "numeric(6,1)", "deep": "jsonb", "list": "jsonb", "odd": "text", "any_value": "jsonb", "ok": "boolean",
        "none": "text",
    }  # fmt: skip
    parts = {each["name"]: each for each in found.document["schema"][0]["properties"]}
    assert parts["deep"]["properties"] == [
        {
            "name": "a",
            "logicalType": "object",
            "properties": [{"name": "b", "logicalType": "array", "items": {"logicalType": "number"}}],
        }
    ]
    assert parts["list"]["logicalType"] == "array"
    assert parts["list"]["items"]["properties"] == [{"name": "x", "logicalType": "integer"}]
    notes = {guess.pointer: guess.evidence for guess in found.guesses if guess.pointer.endswith("/physicalType")}
    assert any("mixed: 1 numbers, 1 texts" in note for note in notes.values())


def test_patterns_make_one_table_and_files_of_another_form_are_refused(tmp_path: Path) -> None:
    for month in (1, 2):
        (tmp_path / f"orders_2020{month:02}.csv").write_text(f"id,amount\n{month},1.5\n")
    found = infer_files(str(tmp_path / "orders_*.csv"), domain="shop", project=tmp_path)
    assert [table["name"] for table in found.document["schema"]] == ["orders"]
    assert source(found)["path"] == "orders_*.csv"
    (tmp_path / "orders_202003.csv").write_text("id,other\n3,1\n")
    with pytest.raises(ConfigError, match="different headers") as error:
        infer_files(str(tmp_path / "orders_*.csv"), domain="shop", project=tmp_path)
    assert "orders_202003" in str(error.value.where)


def test_only_so_many_rows_are_read_when_told(tmp_path: Path) -> None:
    content = "id,name\n" + "".join(f"{n},x\n" for n in range(1000)) + "many,y\n"
    found = inferred(tmp_path, "a.csv", content, limit_rows=100)
    assert columns(found)["id"] == "integer"
    assert found.left_out == ("a: only the first 100 rows were read",)
    assert columns(inferred(tmp_path, "a.csv", content))["id"] == "text"


def test_what_cannot_be_named_together_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for path in (tmp_path / "a.csv", tmp_path / "x" / "a.csv"):
        path.write_text("id\n1\n")
    both = [tmp_path / "a.csv", tmp_path / "x" / "a.csv"]
    with pytest.raises(ConfigError, match="two files would both be the table `a`"):
        infer_files(both, domain="shop")
    with pytest.raises(ConfigError, match="several files cannot all be one table"):
        infer_files(both, domain="shop", table="orders")
    with pytest.raises(ConfigError, match="no file is named"):
        infer_files([], domain="shop")
    with pytest.raises(ConfigError, match="there is no such file") as error:
        infer_files(tmp_path / "x", domain="shop")
    assert error.value.found == "a folder"
    with pytest.raises(ConfigError, match="there is no such file"):
        infer_files(str(tmp_path / "nothing_*.csv"), domain="shop")
