"""A field whose type became wider widens its column; what is something else is refused, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from groundwork.change.facts import table_facts
from groundwork.foundation.evolution import carry_out
from groundwork.foundation.evolution.widening import is_another_kind, type_of_all, wider_by_format
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.foundation.evolution.yard import Yard, make_yard


@pytest.mark.parametrize(
    ("column", "found", "wider"),
    [
        ("integer", "bigint", "bigint"),
        ("smallint", "integer", "integer"),
        ("bigint", "integer", None),
        ("numeric(10,2)", "numeric(12,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(12,4)", "numeric(12,4)"),
        ("numeric(10,2)", "numeric(8,4)", "numeric(12,4)"),
        ("numeric(10,2)", "numeric", None),
        ("varchar(10)", "varchar(20)", "varchar(20)"),
        ("varchar(20)", "varchar(10)", None),
        ("varchar(10)", "text", None),
        ("real", "double precision", "double precision"),
        ("integer", "double precision", None),
        ("timestamp(3)", "timestamp", "timestamp"),
        ("text", "integer", None),
    ],
)
def test_the_type_of_a_format(column: str, found: str, wider: str | None) -> None:
    assert wider_by_format(column, found) == wider


@pytest.mark.parametrize(
    ("column", "found", "is_another"),
    [
        ("integer", "date", True),
        ("date", "timestamp", True),
        ("timestamp", "date", False),
        ("integer", "boolean", True),
        ("boolean", "smallint", False),
        ("integer", "numeric(12,2)", False),
        ("text", "date", False),
        ("date", "text", False),
        ("jsonb", "integer[]", False),
        ("uuid", "integer", True),
    ],
)
def test_another_kind_of_value(column: str, found: str, *, is_another: bool) -> None:
    assert is_another_kind(column, found) is is_another


def test_files_that_tell_several_types() -> None:
    assert type_of_all(["integer", "bigint", "smallint"]) == "bigint"
    assert type_of_all(["numeric(10,2)", "numeric(8,4)"]) == "numeric(12,4)"
    assert type_of_all(["integer", None]) is None
    with pytest.raises(ValueError, match="integer and date"):
        type_of_all(["integer", "date"])


COLUMNS = {"item_id": "integer", "name": "varchar(5)", "pieces": "smallint", "price": "numeric(5,2)", "seen_on": "date"}


def _parquet(folder: Path, **columns: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), folder / "items.parquet")


@pytest.mark.postgres
def test_a_wider_type_of_the_format_widens_the_column(database: Database, tmp_path: Path) -> None:
    import pyarrow as pa

    columns = {"item_id": "integer", "price": "numeric(5,2)"}
    yard = make_yard(database.engine, tmp_path, columns, path="items.parquet", format="parquet")
    _parquet(tmp_path, item_id=pa.array([1], pa.int32()), price=pa.array([Decimal("1.50")], pa.decimal128(5, 2)))
    assert yard.follow_and_load().loaded == 1
    assert yard.events() == []
    larger = pa.array([Decimal("1.50"), Decimal("12345.6789")], pa.decimal128(10, 4))
    _parquet(tmp_path, item_id=pa.array([1, 5_000_000_000], pa.int64()), price=larger)
    result = yard.follow_and_load()
    assert (result.loaded, result.unchanged, result.quarantined) == (1, 1, 0)
    assert yard.types() == yard.declared() == {"item_id": "bigint", "price": "numeric(10,4)"}
    assert yard.rows() == [(1, Decimal("1.5000")), (5_000_000_000, Decimal("12345.6789"))]
    (event,) = yard.events()
    assert event["widened"] == [
        {"name": "item_id", "column": "item_id", "from": "integer", "to": "bigint"},
        {"name": "price", "column": "price", "from": "numeric(5,2)", "to": "numeric(10,4)"},
    ]
    assert (event["outcome"], event["to_version"]) == ("evolved", "1.5.0")
    assert yard.errors() == []


@pytest.mark.postgres
def test_values_widen_a_column_where_the_format_has_no_types(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, COLUMNS)
    yard.follow_and_load("item_id,name,pieces,price,seen_on", "1,abc,5,1.50,2024-05-01")
    result = yard.follow_and_load(
        "item_id,name,pieces,price,seen_on",
        "5000000000,abcdefghijk,70000,12345.50,2024-05-01",
        "2,abc,x,1.5,2024-02-30",  # broken as ever
    )
    assert (result.loaded, result.quarantined) == (1, 1)
    wider = {"item_id": "bigint", "name": "varchar(20)", "pieces": "integer", "price": "numeric(10,2)"}
    assert yard.declared() == {**wider, "seen_on": "date"}
    assert list(yard.types().values()) == ["bigint", "character varying(20)", "integer", "numeric(10,2)", "date"]
    assert yard.errors() == []


@pytest.mark.postgres
def test_values_that_a_rule_keeps_out_widen_nothing(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, {"item_id": "bigint", "pieces": "smallint"})
    text = yard.contract_file.read_text(encoding="utf-8")
    before = "physicalType: smallint\n"
    assert before in text
    options = f"{before}        logicalTypeOptions: {{maximum: 100}}\n"
    yard.contract_file.write_text(text.replace(before, options), encoding="utf-8")
    result = yard.follow_and_load("item_id,pieces", "1,5", "2,40000")
    assert (result.loaded, result.quarantined) == (1, 1)
    assert yard.declared()["pieces"] == "smallint"
    assert yard.events() == []


def _refused(yard: Yard, *lines: str) -> str:
    """What a refusal says; nothing was changed by it."""
    before, types = yard.contract_file.read_bytes(), yard.types()
    if lines:
        yard.write(*lines)
    with pytest.raises(ConfigError, match="cannot follow") as caught:
        yard.follow()
    assert (yard.contract_file.read_bytes(), yard.types()) == (before, types)
    event = yard.events()[-1]
    assert (event["outcome"], event["migration_id"]) == ("refused", None)
    assert event["reason"] == str(caught.value)
    assert yard.rows("SELECT count(*) FROM groundwork.migration") == [(0,)]
    assert caught.value.next_step
    return str(caught.value.found)


_INCOMPATIBLE: list[tuple[Sequence[str], str]] = [
    (["item_id,colour", "1,red"], "`name` is gone, and the required column `name` needs it"),
    (["item_id,name,amount", "1,a,7"], "`pieces` of the column `pieces` is gone and `amount` is new: a rename?"),
    (
        ["item_id,name,pieces", *(f"{n},a,{word}" for n, word in enumerate(["few", "some", "many", "all", "none"]))],
        "none of 5 values for the column `pieces` is integer",
    ),
]


@pytest.mark.postgres
@pytest.mark.parametrize(("lines", "told"), _INCOMPATIBLE, ids=["required", "rename", "kind"])
def test_what_is_not_compatible_is_refused(database: Database, tmp_path: Path, lines: Sequence[str], told: str) -> None:
    columns = {"item_id": "bigint", "name": "text", "pieces": "integer"}
    yard = make_yard(database.engine, tmp_path, columns, required=["name"])
    assert yard.follow_and_load("item_id,name,pieces", "1,a,5").loaded == 1
    assert told in _refused(yard, *lines)


@pytest.mark.postgres
def test_a_missing_field_of_an_optional_column_is_null(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, {"item_id": "bigint", "name": "text", "pieces": "integer"})
    yard.follow_and_load("item_id,name,pieces", "1,a,5")
    assert yard.follow_and_load("item_id,name,seen_on", "2,b,2024-05-01").loaded == 1  # a date is no number of pieces
    assert list(yard.declared()) == ["item_id", "name", "pieces", "seen_on"]
    assert yard.rows("SELECT pieces FROM yard.items ORDER BY item_id") == [(5,), (None,)]


@pytest.mark.postgres
def test_another_type_of_the_format_is_refused(database: Database, tmp_path: Path) -> None:
    import pyarrow as pa

    columns = {"item_id": "bigint", "pieces": "integer"}
    yard = make_yard(database.engine, tmp_path, columns, path="items.parquet", format="parquet")
    _parquet(tmp_path, item_id=pa.array([1], pa.int64()), pieces=pa.array([True]), other=pa.array([1]))
    assert _refused(yard) == "`pieces` is boolean, the column `pieces` is integer"


@pytest.mark.postgres
def test_a_key_that_others_refer_to_is_not_widened_alone(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, {"item_id": "integer", "name": "text"})
    text = yard.contract_file.read_text(encoding="utf-8")
    other = (
        text[text.index("  - name: items") :]
        .replace("name: items", "name: parts")
        .replace("physicalType: integer\n", "physicalType: integer\n        relationships: [{to: items.item_id}]\n")
    )
    yard.contract_file.write_text(text + other, encoding="utf-8")
    assert "`item_id` is integer and `items.item_id` is bigint" in _refused(yard, "item_id,name", "5000000000,a")


@pytest.mark.postgres
def test_a_large_table_is_not_rewritten_while_others_wait(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = make_yard(database.engine, tmp_path, {"item_id": "integer", "name": "text"})
    yard.follow_and_load("item_id,name", "1,a")
    monkeypatch.setattr(carry_out, "table_facts", partial(table_facts, small_bytes=0))
    told = _refused(yard, "item_id,name", "5000000000,a")
    assert "going from integer to bigint rewrites the table" in told
    assert "safe way: add a column" in told
