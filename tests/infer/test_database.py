"""What a live schema says, what its rows suggest, and what is told because no contract can say it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.infer import database_profile
from groundwork.infer.database import infer_schema
from groundwork.infer.document import to_yaml
from groundwork.infer.profile import Proposal
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_SHOP = """
CREATE SCHEMA shop;
CREATE DOMAIN shop.percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE TYPE shop.pair AS (a integer, b integer);
CREATE TABLE shop.customers (
    customer_id integer PRIMARY KEY,
    email text NOT NULL,
    discount shop.percent,
    halves shop.pair,
    CHECK (customer_id > 0),
    CONSTRAINT halves_there CHECK (halves IS NOT NULL)
);
CREATE TABLE shop.orders (
    order_number integer NOT NULL,
    customer_id integer NOT NULL,
    status text NOT NULL,
    placed_at timestamptz NOT NULL,
    EXCLUDE USING btree (order_number WITH =)
);
CREATE INDEX halves_idx ON shop.customers (halves);
CREATE VIEW shop.all_orders AS SELECT * FROM shop.orders;
CREATE TABLE shop.notes (note_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text) WITH (fillfactor = 70);
INSERT INTO shop.customers
SELECT n, 'person' || n || '@example.org', n % 100, ROW(n, n)::shop.pair FROM generate_series(1, 60) n;
INSERT INTO shop.orders
SELECT n, 1 + n % 60, (ARRAY['open', 'paid', 'sent'])[1 + n % 3], now() - n * interval '1 hour'
FROM generate_series(1, 300) n;
"""


@pytest.fixture
def shop(database: Database) -> Database:
    with database.engine.begin() as connection:
        run(connection, _SHOP)
    return database


def inferred(database: Database, **options: Any) -> Proposal:
    with database.engine.connect() as connection:
        return infer_schema(connection, "shop", domain="shop", **options)


def column(proposal: Proposal, table: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in proposal.document["schema"] if each["name"] == table]
    (data,) = [each for each in found["properties"] if each["name"] == name]
    return {**data, **{each["property"]: each["value"] for each in data.get("customProperties", ())}}


def test_what_no_contract_can_say_is_told(shop: Database) -> None:
    found = inferred(shop)
    told = "\n".join(found.left_out)
    for words in (
        "the column discount has the domain shop.percent, and its base type integer in the contract",
        "the column halves has the type shop.pair, which no contract can declare",
        "the check halves_there stands on the column halves",
        "the index halves_idx stands on the column halves",
        "shop.orders: has no primary key",
        "the exclusion constraint orders_order_number_excl",
        "view all_orders of shop",
        "fillfactor=70",
    ):
        assert words in told, told
    assert column(found, "customers", "discount")["physicalType"] == "integer"
    assert all("halves" not in line for line in to_yaml(found).splitlines())


def test_rows_suggest_what_the_tables_do_not_say(shop: Database) -> None:
    found = inferred(shop)
    said = {(guess.pointer, guess.what): guess for guess in found.guesses}
    reference = next(each for (_, what), each in said.items() if "customer_id refers to customers" in what)
    assert "which no foreign key says" in reference.what
    assert reference.confidence > 0.5
    assert any("primary key (order_number), which the table does not have" in what for _, what in said)
    assert column(found, "customers", "email")["classification"] == "confidential"
    assert column(found, "customers", "email")["personalData"] == "email"
    assert column(found, "orders", "status")["quality"][0]["arguments"]["validValues"] == ["open", "paid", "sent"]
    assert "relationships" not in found.document["schema"][2]
    assert "person1@" not in to_yaml(found)
    accepted = inferred(shop, accept_relationships=True)
    (orders,) = [each for each in accepted.document["schema"] if each["name"] == "orders"]
    assert orders["relationships"] == [{"from": ["orders.customer_id"], "to": ["customers.customer_id"]}]


def test_without_a_look_at_rows_nothing_is_guessed(shop: Database) -> None:
    found = inferred(shop, profile=False)
    assert found.guesses == ()
    assert column(found, "customers", "email")["classification"] == "internal"


def test_looking_changes_nothing_and_takes_samples_of_large_tables(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_profile, "ROWS", 100)
    with shop.engine.begin() as connection:
        run(connection, "ANALYZE shop.orders")
    found = inferred(shop)
    assert "quality" in column(found, "orders", "status")
    assert not any("order_number), which the table does not have" in guess.what for guess in found.guesses)
    with shop.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM shop.orders")).scalar_one() == 300
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "0"


def test_a_table_that_may_not_be_read_is_told(shop: Database) -> None:
    with shop.server.connect(shop.name) as superuser:
        superuser.execute("ALTER TABLE shop.notes OWNER TO CURRENT_USER")
    found = inferred(shop)
    assert any("shop.notes: its rows were not looked at: permission denied" in line for line in found.left_out)
    assert column(found, "notes", "body")["physicalType"] == "text"


def test_one_table_of_the_schema(shop: Database) -> None:
    found = inferred(shop, tables=["customers"])
    assert [table["name"] for table in found.document["schema"]] == ["customers"]
    assert not any("all_orders" in line for line in found.left_out)


@pytest.mark.parametrize(
    ("schema", "tables", "words"), [("nothing", None, "no schema"), ("shop", ["nothing"], "no table")]
)
def test_what_is_not_there_is_told_with_what_is(
    shop: Database, schema: str, tables: list[str] | None, words: str
) -> None:
    with shop.engine.connect() as connection, pytest.raises(ConfigError, match=words) as told:
        infer_schema(connection, schema, tables=tables, domain="shop")
    assert ("shop" if tables is None else "customers") in str(told.value.expected)
