"""A new field of a source becomes a column of the contract and of the table, whatever the source is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.resources import ConnectionFacts
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.flow.sources.test_http import page, serving
from tests.foundation.evolution.yard import make_yard

pytestmark = pytest.mark.postgres


def test_fields_of_a_csv_become_typed_columns(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path)
    yard.follow_and_load("item_id,name", "1,a")
    assert yard.events() == []
    before = yard.contract_file.read_text(encoding="utf-8")
    result = yard.follow_and_load(
        "item_id,name,colour,pieces,seen_on,price", "1,a,red,3,2024-05-01,1.50", "2,b,,4,2024-05-02,12.25"
    )
    assert (result.read, result.loaded + result.updated, result.quarantined) == (2, 2, 0)
    wanted = {"item_id": "bigint", "name": "text", "colour": "text", "pieces": "integer", "seen_on": "date"}
    assert yard.declared() == {**wanted, "price": "numeric(7,2)"}
    assert yard.types() == yard.declared()
    assert [str(value) for value in yard.rows()[0]] == ["1", "a", "red", "3", "2024-05-01", "1.50"]
    (event,) = yard.events()
    assert (event["outcome"], event["policy"], event["from_version"], event["to_version"]) == (
        "evolved",
        "evolve",
        "1.4.0",
        "1.5.0",
    )
    assert [each["column"] for each in event["added"]] == ["colour", "pieces", "seen_on", "price"]
    assert yard.errors() == []
    after = yard.contract_file.read_text(encoding="utf-8")
    assert "version: 1.5.0  # raised by hand" in after
    assert after.replace("1.5.0", "1.4.0").startswith(before.rstrip("\n"))  # what a person wrote stays as it was
    column = yard.table.column("colour")
    assert (str(column.classification), column.is_required) == ("internal", False)
    assert "`colour` of" in str(column.description)
    migration = yard.rows(f"SELECT state, actor FROM groundwork.migration WHERE id = {event['migration_id']}")
    assert migration == [("applied", "test")]
    versions = yard.rows("SELECT version, target FROM groundwork.contract_version")
    assert versions == [("1.5.0", "warehouse")]
    assert yard.follow() == ()  # nothing is left to do
    assert yard.load().unchanged == 2


def test_a_name_that_is_no_identifier_is_mapped(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path)
    yard.follow_and_load("item_id,name,Unit Price,order", "1,a,1.5,7")
    assert list(yard.declared()) == ["item_id", "name", "unit_price", "order_value"]
    assert yard.table.source is not None
    assert yard.table.source["columns"] == {
        "item_id": "item_id",
        "name": "name",
        "unit_price": "Unit Price",
        "order_value": "order",
    }
    yard.follow_and_load("item_id,name,Unit Price,order,Größe", "1,a,1.5,7,4")  # now there is a mapping to add to
    assert yard.table.source["columns"]["groesse"] == "Größe"
    assert [str(value) for value in yard.rows()[0]] == ["1", "a", "1.5", "7", "4"]
    assert yard.errors() == []


def test_fields_of_json_lines_keep_their_kind(database: Database, tmp_path: Path) -> None:
    mapping = {"item_id": "id", "name": "/about/name"}
    yard = make_yard(database.engine, tmp_path, path="items.jsonl", format="jsonl", mapping=mapping, ignore=["secret"])
    first = {"id": 1, "about": {"name": "a"}, "secret": 1, "pieces": 5, "code": "007", "tags": ["x"], "is_new": True}
    second = {"id": 2, "about": {"name": "b"}, "size": {"width": 2.5}, "at": "2024-05-01T10:00:00Z"}
    yard.write(json.dumps(first), json.dumps(second), name="items.jsonl")
    result = yard.follow_and_load()
    assert (result.loaded, result.quarantined) == (2, 0)
    assert yard.declared() == {
        "item_id": "bigint",
        "name": "text",
        "pieces": "integer",
        "code": "text",
        "tags": "text[]",
        "is_new": "boolean",
        "size": "jsonb",
        "at": "timestamptz",
    }
    assert yard.rows("SELECT name, pieces, code, tags, is_new FROM yard.items WHERE item_id = 1") == [
        ("a", 5, "007", ["x"], True)
    ]
    assert yard.rows("SELECT size FROM yard.items WHERE item_id = 2") == [({"width": 2.5},)]
    assert yard.errors() == []


def test_a_key_that_comes_late_goes_to_quarantine_although_keys_are_mapped(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, path="items.jsonl", format="jsonl", mapping={"item_id": "id"})
    lines = [json.dumps({"id": number}) for number in range(1_100)]
    yard.write(*lines, json.dumps({"id": 9_999, "late": 1}), name="items.jsonl")
    result = yard.follow_and_load()
    assert (result.loaded, result.reasons) == (1_100, {"unknown_field": 1})
    assert list(yard.declared()) == ["item_id", "name"]


def test_columns_of_parquet_have_the_types_of_the_file(database: Database, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    yard = make_yard(database.engine, tmp_path, path="items.parquet", format="parquet")
    rows = {
        "item_id": pa.array([1, 2], pa.int64()),
        "name": ["a", "b"],
        "small": pa.array([1, None], pa.int16()),
        "amount": pa.array([Decimal("1.500"), Decimal("2.250")], pa.decimal128(12, 3)),
        "at": pa.array([datetime(2024, 5, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        "empty": pa.array([None, None], pa.date32()),
        "parts": pa.array([[1, 2], []], pa.list_(pa.int32())),
    }
    parquet.write_table(pa.table(rows), tmp_path / "items.parquet")
    result = yard.follow_and_load()
    assert (result.loaded, result.quarantined) == (2, 0)
    types = {"small": "smallint", "amount": "numeric(12,3)", "at": "timestamptz", "empty": "date", "parts": "integer[]"}
    assert yard.declared() == {"item_id": "bigint", "name": "text", **types}
    assert yard.rows("SELECT small, amount, parts FROM yard.items WHERE item_id = 1") == [(1, Decimal("1.500"), [1, 2])]
    assert yard.errors() == []


def test_columns_of_another_database(database: Database, tmp_path: Path) -> None:
    shop = ConnectionFacts(name="shop", kind="sqlite", host=str(tmp_path / "shop.db"))
    source: dict[str, Any] = {"kind": "table", "path": None, "format": None, "connection": "shop", "table": "things"}
    yard = make_yard(database.engine, tmp_path, connections={"shop": shop}, **source)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE things (item_id BIGINT PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO things VALUES (1, 'a')")
    assert yard.follow_and_load().loaded == 1
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("ALTER TABLE things ADD COLUMN price NUMERIC(10, 2)")
        connection.execute("ALTER TABLE things ADD COLUMN email VARCHAR(80)")
        connection.executemany(
            "INSERT INTO things VALUES (?, 'b', 2.5, ?)", [(n, f"someone{n}@example.org") for n in range(2, 12)]
        )
    assert yard.follow_and_load().loaded == 10
    assert yard.declared() == {"item_id": "bigint", "name": "text", "price": "numeric(10, 2)", "email": "varchar(80)"}
    email = yard.table.column("email")
    assert (str(email.personal_data), email.masking) == ("email", "partial")
    assert str(email.classification) in ("confidential", "restricted")
    assert yard.errors() == []


def test_a_query_has_no_types_so_its_values_tell_them(database: Database, tmp_path: Path) -> None:
    shop = ConnectionFacts(name="shop", kind="sqlite", host=str(tmp_path / "shop.db"))
    query = "SELECT item_id, name, pieces, day FROM things"
    source: dict[str, Any] = {
        "kind": "table",
        "path": None,
        "format": None,
        "connection": "shop",
        "query": query,
        "key": ["item_id"],
    }
    yard = make_yard(database.engine, tmp_path, connections={"shop": shop}, **source)
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE things (item_id BIGINT PRIMARY KEY, name TEXT, pieces, day)")
        connection.execute("INSERT INTO things VALUES (1, 'a', 5, '2024-05-01')")
    assert yard.follow_and_load().loaded == 1
    assert yard.declared() == {"item_id": "bigint", "name": "text", "pieces": "integer", "day": "date"}


def test_every_file_of_a_pattern_counts(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, path="items_*.csv")
    yard.write("item_id,name", "1,a", name="items_1.csv")
    yard.write("item_id,pieces,name", "2,5,b", name="items_2.csv")
    yard.write("item_id,name,colour", "3,c,red", name="items_3.csv")
    result = yard.follow_and_load()
    assert (result.loaded, result.quarantined) == (3, 0)
    assert yard.rows("SELECT pieces, colour FROM yard.items ORDER BY item_id") == [
        (None, None),
        (5, None),
        (None, "red"),
    ]


def test_a_field_without_a_value_waits_for_one(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path)
    assert yard.follow_and_load("item_id,name,colour", "1,a,", "2,b,").loaded == 2
    assert list(yard.declared()) == ["item_id", "name"]
    lines = [f"{number},x," for number in range(10, 5_600)]
    assert yard.follow_and_load("item_id,name,colour", *lines, "9,c,17").quarantined == 0  # far behind the first ones
    assert yard.declared()["colour"] == "integer"


def test_values_that_the_server_would_not_take_as_written_stay_text(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path)
    result = yard.follow_and_load("item_id,name,price,count,day", '1,a,"1,50",NA,31.12.2024', '2,b,"2,25",5,01.02.2024')
    assert (result.loaded, result.quarantined) == (2, 0)
    assert {yard.declared()[name] for name in ("price", "count", "day")} == {"text"}
    assert yard.rows("SELECT price FROM yard.items WHERE item_id = 1") == [("1,50",)]


def test_keys_of_an_api(database: Database, tmp_path: Path) -> None:
    records = [{"id": number, "name": "a", "stock": {"pieces": number}} for number in range(1, 8)]
    source: dict[str, Any] = {"kind": "http", "path": "/items", "format": None, "connection": "api", "records": "/data"}
    with serving(lambda _: page(records)) as api:
        mapping = {"item_id": "id", "name": "name"}
        yard = make_yard(database.engine, tmp_path, mapping=mapping, connections={"api": api.connection()}, **source)
        result = yard.follow_and_load()
        assert (result.loaded, result.quarantined) == (7, 0)
        assert yard.declared() == {"item_id": "bigint", "name": "text", "stock": "jsonb"}
        records.append({"id": 8, "name": "b", "stock": None, "day": "2024-05-01"})
        assert yard.follow_and_load().loaded == 1
    assert yard.declared()["day"] == "date"
    assert yard.errors() == []


def test_types_that_only_the_source_knows_are_told_by_values(database: Database, tmp_path: Path) -> None:
    url = database.engine.url
    shop = ConnectionFacts(
        name="shop",
        kind="postgres",
        host=url.host,
        port=url.port,
        login=url.username,
        password=url.password,
        database=url.database,
    )
    source: dict[str, Any] = {"kind": "table", "path": None, "format": None, "connection": "shop"}
    yard = make_yard(database.engine, tmp_path, connections={"shop": shop}, table="shop.things", **source)
    yard.run("CREATE SCHEMA shop")
    yard.run("CREATE TYPE shop.mood AS ENUM ('glad', 'sad')")
    yard.run(
        "CREATE TABLE shop.things (item_id bigint PRIMARY KEY, name text, mood shop.mood, at timestamptz(3), "
        "parts integer[], span interval, none jsonb)"
    )
    yard.run("INSERT INTO shop.things VALUES (1, 'a', 'glad', '2024-05-01 10:00+00', '{1,2}', '1 day', null)")
    assert yard.follow_and_load().loaded == 1
    declared = yard.declared()
    assert (declared["mood"], declared["parts"], declared["none"]) == ("text", "integer[]", "jsonb")
    assert yard.rows("SELECT mood, parts FROM yard.items") == [("glad", [1, 2])]
    assert yard.errors() == []


def test_a_column_of_a_query_without_a_value_is_text_because_it_would_not_be_seen(
    database: Database, tmp_path: Path
) -> None:
    shop = ConnectionFacts(name="shop", kind="sqlite", host=str(tmp_path / "shop.db"))
    source: dict[str, Any] = {"kind": "table", "path": None, "format": None, "connection": "shop"}
    source |= {"query": "SELECT 1 AS item_id, 'a' AS name, NULL AS later", "key": ["item_id"]}
    sqlite3.connect(tmp_path / "shop.db").close()
    yard = make_yard(database.engine, tmp_path, connections={"shop": shop}, **source)
    assert yard.follow_and_load().loaded == 1
    assert yard.declared()["later"] == "text"


def test_keys_that_are_data_make_no_columns(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, path="items.jsonl", format="jsonl")
    yard.write(json.dumps({"item_id": 1, **{f"id {number}": 1 for number in range(101)}}), name="items.jsonl")
    with pytest.raises(ConfigError, match="cannot follow") as caught:
        yard.follow()
    assert "101 fields are new at once" in str(caught.value.found)


def test_characters_that_no_database_takes_are_no_hindrance(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, path="items.jsonl", format="jsonl")
    lines = [json.dumps({"item_id": 1, "name": "a\x00", "note": "b\ud800"}), json.dumps({"item_id": 2, "note": "c"})]
    yard.write(*lines, name="items.jsonl")
    result = yard.follow_and_load()
    assert (result.loaded, result.quarantined) == (1, 1)
    assert yard.declared()["note"] == "text"
