"""Schemas made by hand are observed completely: nothing of them is left out, and each rarer feature has its text."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.catalog.postgres import observe_schemas
from groundwork.model.shape import EnumTypeShape, ForeignKeyShape, PartitionShape, SchemaShape, TableShape
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_SCHEMAS = Path(__file__).parents[1] / "cases" / "schemas"


@pytest.fixture(scope="module")
def observed(module_database: Database) -> dict[str, SchemaShape]:
    names = [path.stem for path in sorted(_SCHEMAS.glob("*.sql"))]
    assert names == ["chinook_like", "ledger", "sakila_like"]
    with module_database.engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql((_SCHEMAS / f"{name}.sql").read_text(encoding="utf-8"))
        return {name: observe_schemas(connection, [name]) for name in names}


def _table(shape: SchemaShape, name: str) -> TableShape:
    return next(table for table in shape.tables if table.name == name)


def test_nothing_is_beyond_contracts(observed: dict[str, SchemaShape]) -> None:
    assert {name: (shape.unsupported, shape.sequences) for name, shape in observed.items()} == {
        "chinook_like": ((), ()),
        "ledger": ((), ()),
        "sakila_like": ((), ()),
    }
    assert {name: len(shape.tables) for name, shape in observed.items()} == {
        "chinook_like": 11,
        "ledger": 6,
        "sakila_like": 9,
    }


def test_every_object_is_there(observed: dict[str, SchemaShape]) -> None:
    counts = {
        name: (
            sum(len(table.columns) for table in shape.tables),
            sum(table.primary_key is not None for table in shape.tables),
            sum(len(table.unique_keys) for table in shape.tables),
            sum(len(table.foreign_keys) for table in shape.tables),
            sum(len(table.checks) for table in shape.tables),
            sum(len(table.indexes) for table in shape.tables),
            sum(len(table.partitions) for table in shape.tables),
        )
        for name, shape in observed.items()
    }
    assert counts == {
        "chinook_like": (51, 11, 4, 11, 5, 10, 0),
        "ledger": (43, 5, 2, 3, 3, 8, 10),
        "sakila_like": (49, 9, 3, 10, 3, 12, 3),
    }


def test_enum_types_keep_the_order_of_their_values(observed: dict[str, SchemaShape]) -> None:
    assert observed["sakila_like"].enum_types == (
        EnumTypeShape(schema="sakila_like", name="film_rating", values=("G", "PG", "PG-13", "R", "NC-17")),
        EnumTypeShape(schema="sakila_like", name="rental_state", values=("out", "returned", "lost")),
    )
    assert observed["ledger"].enum_types[0].values == ("it's", 'with "quotes"', "a\\b", "ünïcode")


def test_numbering_is_told_apart(observed: dict[str, SchemaShape]) -> None:
    chinook = observed["chinook_like"]
    found = {
        (table.name, column.name): (column.identity, column.default)
        for table in chinook.tables
        for column in table.columns
        if column.identity
    }
    assert found == {
        ("albums", "album_id"): ("by default", None),
        ("artists", "artist_id"): ("always", None),
        ("customers", "customer_id"): ("always", None),
        ("genres", "genre_id"): ("serial", None),
        ("invoices", "invoice_id"): ("always", None),
        ("media_types", "media_type_id"): ("serial", None),
        ("tracks", "track_id"): ("serial", None),
    }
    (number,) = [column for column in _table(observed["ledger"], "accounts").columns if column.identity]
    assert number.sequence is not None
    assert (number.sequence.start, number.sequence.increment, number.sequence.cache) == (1000, 10, 5)


def test_composite_self_references_keep_their_options(observed: dict[str, SchemaShape]) -> None:
    keys = {key.name: key for key in _table(observed["ledger"], "accounts").foreign_keys}
    assert keys["accounts_parent"] == ForeignKeyShape(
        name="accounts_parent",
        columns=("parent_region_code", "parent_account_number"),
        target_schema="ledger",
        target_table="accounts",
        target_columns=("region_code", "account_number"),
        on_update="CASCADE",
        on_delete="SET NULL",
        options=("DEFERRABLE", "INITIALLY DEFERRED"),
    )


def test_generated_columns_of_both_kinds(observed: dict[str, SchemaShape]) -> None:
    sakila = observed["sakila_like"]
    found = {column.name: column.generated for table in sakila.tables for column in table.columns if column.generated}
    assert found == {
        "initials": '("left"(first_name, 1) || "left"(last_name, 1)) VIRTUAL',
        "fulltext": "to_tsvector('english'::regconfig, "
        "(((title)::text || ' '::text) || COALESCE(description, ''::text)))",
    }


def test_indexes_have_every_word(observed: dict[str, SchemaShape]) -> None:
    found = {
        index.name: (index.method, index.keys, index.include, index.predicate, index.options)
        for table in observed["ledger"].tables
        for index in table.indexes
    }
    assert found["accounts_nickname_idx"] == (
        "btree",
        ('nickname COLLATE "C" DESC NULLS LAST',),
        ("opened_on",),
        "nickname IS NOT NULL",
        (),
    )
    assert found["accounts_parent_idx"][1] == ("parent_region_code", "parent_account_number NULLS FIRST")
    assert found["accounts_network_idx"][:2] == ("gist", ("network inet_ops",))
    assert found["accounts_host_network_idx"][4] == ("NULLS NOT DISTINCT",)
    assert found["accounts_host_idx"][0] == "hash"
    assert found["accounts_opened_idx"][0] == "brin"


def test_partitions_of_every_strategy(observed: dict[str, SchemaShape]) -> None:
    ledger = observed["ledger"]
    assert {table.name: table.partition_key for table in ledger.tables if table.partition_key} == {
        "closings": "RANGE (closing_year, closing_month)",
        "entries": "LIST (side)",
        "messages": "HASH (message_id)",
        "taxes": "LIST (region_code)",
    }
    assert _table(ledger, "taxes").partitions == (
        PartitionShape(name="taxes_europe", bounds="FOR VALUES IN ('DE', 'FR', 'IT')"),
        PartitionShape(name="taxes_nowhere", bounds="FOR VALUES IN (NULL)"),
        PartitionShape(name="taxes_rest", bounds="DEFAULT"),
    )
    assert _table(ledger, "closings").partitions[1].bounds == "FOR VALUES FROM (MINVALUE, MINVALUE) TO (2023, 7)"


def test_types_in_the_servers_words(observed: dict[str, SchemaShape]) -> None:
    types = {column.name: column.type for column in _table(observed["ledger"], "accounts").columns}
    assert types["oddity"] == 'ledger."Odd, name"'
    assert types["notice"] == "interval year to month"
    assert types["scores"] == "numeric(6,3)[]"
    assert types["mask"] == "bit varying(16)"
    assert {types[name] for name in ("valid_between", "balance_limit", "statement_layout", "cut_off")} == {
        "daterange",
        "money",
        "xml",
        "time(3) without time zone",
    }
