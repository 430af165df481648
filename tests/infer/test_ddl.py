"""SQL becomes a proposal by what the server makes of it; what describes nothing is told, and nothing harmful runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from groundwork.infer.ddl import infer_ddl
from groundwork.infer.ddl_text import script_of
from groundwork.infer.profile import Proposal
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database

_DUMP = r"""-- a dump
\restrict abc
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA shop;
ALTER SCHEMA shop OWNER TO somebody;
CREATE TYPE shop.mood AS ENUM ('calm', 'glad');
ALTER TYPE shop.mood OWNER TO somebody;
CREATE TABLE shop.orders (
    order_id integer NOT NULL,
    customer_id integer,
    feeling shop.mood DEFAULT 'calm'::shop.mood NOT NULL,
    note text DEFAULT 'a;
\b'
);
ALTER TABLE shop.orders OWNER TO somebody;
CREATE SEQUENCE shop.orders_order_id_seq AS integer START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE shop.orders_order_id_seq OWNED BY shop.orders.order_id;
CREATE TABLE shop.customers (customer_id integer NOT NULL, name text);
ALTER TABLE ONLY shop.orders ALTER COLUMN order_id SET DEFAULT nextval('shop.orders_order_id_seq'::regclass);
COPY shop.customers (customer_id, name) FROM stdin;
1	CREATE TABLE shop.evil (x int);
2	\N
\.
INSERT INTO shop.orders VALUES (1);
SELECT pg_catalog.setval('shop.orders_order_id_seq', 7, true);
ALTER TABLE ONLY shop.customers ADD CONSTRAINT customers_pkey PRIMARY KEY (customer_id);
ALTER TABLE ONLY shop.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id);
ALTER TABLE ONLY shop.orders ADD CONSTRAINT to_customer FOREIGN KEY (customer_id) REFERENCES shop.customers;
CREATE INDEX orders_customer_id_idx ON shop.orders USING btree (customer_id);
COMMENT ON TABLE shop.orders IS 'What was bought.';
COMMENT ON COLUMN shop.orders.note IS 'It''s said.';
CREATE VIEW shop.open_orders AS SELECT 1 AS one;
CREATE FUNCTION shop.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';
GRANT SELECT ON shop.orders TO somebody;
"""


def inferred(database: Database, sql: str, **options: Any) -> Proposal:
    with database.engine.connect() as connection:
        return infer_ddl(connection, sql, domain="shop", where="dump.sql", **options)


def tables(proposal: Proposal) -> dict[str, dict[str, Any]]:
    return {table["name"]: table for table in proposal.document["schema"]}


def column(table: dict[str, Any], name: str) -> dict[str, Any]:
    found = next(each for each in table["properties"] if each["name"] == name)
    return {**found, **{each["property"]: each["value"] for each in found.get("customProperties", ())}}


@pytest.mark.postgres
def test_a_dump_is_read_and_what_is_no_description_is_told(database: Database) -> None:
    found = inferred(database, _DUMP)
    assert set(tables(found)) == {"customers", "orders"}
    orders = tables(found)["orders"]
    assert column(orders, "order_id")["identity"] == "serial"
    assert column(orders, "feeling")["physicalType"] == "mood"
    assert column(orders, "feeling")["default"] == "'calm'"
    assert column(orders, "note")["default"] == "'a;\n\\b'"
    assert column(orders, "note")["description"] == "It's said."
    assert orders["description"] == "What was bought."
    (relationship,) = orders["relationships"]
    assert relationship["to"] == ["customers.customer_id"]
    assert relationship["customProperties"] == [{"property": "name", "value": "to_customer"}]
    assert list(found.left_out) == [
        "line 2: the command of psql \\restrict",
        "line 21: rows of COPY (2 lines)",
        "line 4: a query",
        "line 25: rows (INSERT)",
        "line 26: a query",
        "line 33: a view",
        "line 34: a function",
        "line 35: a grant",
    ]
    with database.engine.connect() as connection:
        schemas = connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|info)'"))
        assert list(schemas.scalars()) == ["public"]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("sql", "line", "words"),
    [
        ("CREATE TABLE a (b int);\nCREATE TALBE c (d int);", 2, "does not parse"),
        ("CREATE TABLE a (b int);\n\nCREATE TABLE ä (b int DEFAULT pg_sleep(9));", 3, "pg_sleep"),
        ("CREATE TABLE a (b text DEFAULT pg_read_file('/etc/passwd'));", 1, "pg_read_file"),
        ("CREATE TABLE a (b text, CHECK (query_to_xml(b, true, true, '') IS NULL));", 1, "query_to_xml"),
        ("CREATE TABLE a (b int);\nCREATE INDEX ON a (set_config('x.y', b::text, false));", 2, "set_config"),
        ("CREATE TABLE a (b int DEFAULT 'x');", 1, "refuses"),
        ("CREATE TABLE a (b int, b int);", 1, "refuses"),
        ("CREATE TABLE a.b (c int); CREATE TABLE d.e (f int);", 0, "several schemas"),
        ("DROP TABLE pg_class; SELECT 1;", 0, "no statement makes a table"),
    ],
)
def test_what_cannot_be_a_description_is_refused(database: Database, sql: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as told:
        inferred(database, sql)
    assert words in f"{told.value} {told.value.found}"
    assert str(told.value.where) == (f"dump.sql:{line}" if line else "dump.sql")


@pytest.mark.postgres
def test_hostile_names_are_only_names(database: Database) -> None:
    name = 'x"; DROP SCHEMA public CASCADE; --'
    quoted = name.replace('"', '""')
    found = inferred(
        database, f"CREATE TABLE \"{quoted}\" (\"{quoted}\" text DEFAULT '''; DROP TABLE a; --' NOT NULL);"
    )
    (table,) = found.document["schema"]
    assert table["name"] == name
    assert column(table, name)["default"] == "'''; DROP TABLE a; --'"


@pytest.mark.postgres
def test_what_needs_something_that_is_not_there_is_told(database: Database) -> None:
    sql = """CREATE TABLE later (id int PRIMARY KEY, first_id int REFERENCES first);
CREATE TABLE first (id int PRIMARY KEY);
CREATE TABLE places (id int PRIMARY KEY, at geometry(point));
CREATE INDEX ON places (id);"""
    found = inferred(database, sql)
    assert set(tables(found)) == {"first", "later"}
    assert [line[:7] for line in found.left_out] == ["line 3:", "line 4:"]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        (
            "mysql",
            "USE x; CREATE TABLE `orders` (`id` INT NOT NULL AUTO_INCREMENT, `paid` TINYINT(1), `at` DATETIME,"
            " `total` DECIMAL(10,2), PRIMARY KEY (`id`)) ENGINE=InnoDB; INSERT INTO `orders` VALUES (1,1,NULL,1);",
        ),
        (
            "sqlite",
            "CREATE TABLE [orders] ([id] INTEGER PRIMARY KEY NOT NULL, [paid] BOOLEAN, [at] DATETIME,"
            " [total] NUMERIC(10,2)); INSERT INTO orders VALUES (1,1,NULL,1);",
        ),
    ],
)
def test_other_dialects_are_translated(database: Database, dialect: str, sql: str) -> None:
    found = inferred(database, sql, dialect=dialect)
    orders = tables(found)["orders"]
    assert column(orders, "total")["physicalType"] == "numeric(10,2)"
    assert column(orders, "id")["primaryKey"] is True
    assert any(f"types and words of {dialect} were translated" in line for line in found.left_out)
    assert any("INSERT" in line for line in found.left_out)
    with pytest.raises(ConfigError, match="does not parse"):
        inferred(database, "CREATE TABLE (((", dialect=dialect)


def test_a_huge_block_of_rows_is_cut_in_one_pass() -> None:
    rows = "\n".join(f"{number}\tCOPY x FROM stdin;" for number in range(200_000))
    script = script_of(f"CREATE TABLE a (b int);\nCOPY a FROM stdin;\n{rows}\n\\.\nCREATE TABLE c (d int);\n")
    assert [line for line in script.sql.split("\n") if line] == ["CREATE TABLE a (b int);", "CREATE TABLE c (d int);"]
    assert script.taken_out == ("line 2: rows of COPY (200,000 lines)",)


def test_rows_without_an_end_are_told() -> None:
    assert script_of("COPY a FROM stdin;\n1\n2\n").taken_out == ("line 1: rows of COPY to the end of the file",)


def test_the_cases_are_as_the_tools_write_them() -> None:
    folder = Path(__file__).parents[1] / "cases" / "schemas"
    assert all(script_of(path.read_text(encoding="utf-8")).taken_out == () for path in folder.glob("*.sql"))
