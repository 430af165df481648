"""SQL read as a program: gaps and parameters, other dialects, sentences, and names by PostgreSQL's rules of scope."""

from __future__ import annotations

import pytest

from groundwork.rules.declared import Declared
from groundwork.rules.sql.names import mistakes
from groundwork.rules.sql.statement import Certainty, certainty, parse
from tests.rules.samples import shop

DECLARED = Declared.of([shop()])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM b WHERE c = %s AND d = %(x)s",
        "SELECT a FROM b WHERE c IN %s",
        "SELECT a FROM b WHERE c = :name AND d = a::text",
        "SELECT a FROM b WHERE c = ? LIMIT ?",
        "INSERT INTO b (a) VALUES %s",
        "SELECT a FROM {{ table }} {% if x %} WHERE c = 1 {% endif %}",
        "SELECT '%s :x ?' FROM b WHERE c = @p",
        "SELECT TOP 5 [a] FROM [b]",
        "SELECT `a` FROM `b` LIMIT 1, 2",
        "INSERT OR REPLACE INTO b (a) VALUES (1)",
        "SELECT a ? 'key' FROM b",
    ],
)
def test_marks_and_dialects_are_understood(sql: str) -> None:
    assert parse((sql,)).is_parsed


@pytest.mark.parametrize(
    "parts",
    [
        ("SELECT a FROM b ", ("where",)),
        ("SELECT a FROM b WHERE c = 1 ", ("more",)),
        (("head",), " SELECT a FROM b"),
        ("SELECT ", ("columns",), " FROM ", ("table",), " WHERE ", ("condition",), " ORDER BY 1"),
        ("CREATE TABLE x (", ("columns",), ")"),
        ("SELECT a FROM b ", ("joins",), " ", ("where",), " ", ("order",)),
    ],
)
def test_gaps_can_be_anything(parts: tuple[str | tuple[str], ...]) -> None:
    assert parse(parts).is_parsed


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM b", Certainty.YES),
        ("select a, b from c", Certainty.YES),
        ("select email from customers", Certainty.YES),
        ("select name from people", Certainty.PERHAPS),
        ("select a fruit from the list", Certainty.NO),
        ("select from the list", Certainty.NO),
        ("delete from the list", Certainty.NO),
        ("move forward", Certainty.PERHAPS),
        ("VACUUM orders", Certainty.YES),
        ("Please select an option", Certainty.NO),
        ("UPDATE something odd", Certainty.PERHAPS),
    ],
)
def test_sentences_are_no_sql(sql: str, expected: Certainty) -> None:
    assert certainty(parse((sql,)), DECLARED.is_declared) is expected


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT o.total, orders FROM shop.orders AS orders, shop.orders o",
        "SELECT total AS amount FROM orders ORDER BY amount",
        "SELECT x.total FROM (SELECT total FROM orders) x",
        "WITH x AS (SELECT total AS t FROM orders) SELECT t FROM x",
        "WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x) SELECT n FROM x",
        "SELECT whatever FROM elsewhere.things",
        "SELECT total, whatever FROM orders JOIN elsewhere.things t ON true",
        "SELECT total, whatever FROM orders, json_each('{}') AS e",
        "SELECT (SELECT max(total) FROM orders o WHERE o.customer_id = c.customer_id) FROM customers c",
        "SELECT email FROM customers WHERE EXISTS (SELECT FROM orders WHERE country = status)",
        "SELECT ctid, xmin, tableoid, customers FROM customers",
        "INSERT INTO customers (customer_id) VALUES (1) ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email",
        "INSERT INTO customers (customer_id) VALUES (1) RETURNING country",
        "UPDATE orders SET total = x.n FROM (VALUES (1, 2)) AS x (k, n) WHERE order_id = k",
        "DELETE FROM orders USING customers c WHERE c.customer_id = orders.customer_id",
        "MERGE INTO customers c USING orders o ON o.customer_id = c.customer_id WHEN MATCHED THEN DELETE",
        "CREATE TEMPORARY TABLE scratch AS SELECT 1 AS n; SELECT anything FROM scratch",
        "COPY orders (order_id, total) TO STDOUT",
        "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'x'",
        "SELECT total FROM orders o GROUP BY o.total HAVING sum(total) > 1",
        "SELECT sum(total) OVER (PARTITION BY status ORDER BY placed_at) FROM orders",
    ],
)
def test_declared_names_are_in_order(sql: str) -> None:
    statement = parse((sql,))
    assert statement.is_parsed
    assert list(mistakes(statement, DECLARED)) == []


@pytest.mark.parametrize(
    ("sql", "table", "column"),
    [
        ("SELECT o.totl FROM orders o JOIN elsewhere.x ON true", "shop.orders", "totl"),
        ("SELECT total FROM orders ORDER BY totl", "shop.orders", "totl"),
        (
            "SELECT total FROM orders WHERE EXISTS (SELECT 1 FROM customers WHERE totl = 1)",
            "shop.customers, shop.orders",
            "totl",
        ),
        (
            "INSERT INTO customers (customer_id) VALUES (1) ON CONFLICT (custmer) DO NOTHING",
            "shop.customers",
            "custmer",
        ),
        ("INSERT INTO customers (customer_id) VALUES (1) RETURNING mail", "shop.customers", "mail"),
        ("DELETE FROM orders WHERE totl = 1", "shop.orders", "totl"),
        ("COPY orders (order_id, totl) TO STDOUT", "shop.orders", "totl"),
        (
            "MERGE INTO customers c USING orders o ON true WHEN MATCHED THEN UPDATE SET land = 'x'",
            "shop.customers",
            "land",
        ),
        ("CREATE VIEW x AS SELECT totl FROM orders", "shop.orders", "totl"),
        ("EXPLAIN SELECT totl FROM orders", "shop.orders", "totl"),
        ("SELECT count(*) FROM shop.things", "shop.things", None),
    ],
)
def test_undeclared_names_are_found_once(sql: str, table: str, column: str | None) -> None:
    found = [(mistake.table, mistake.column) for mistake in mistakes(parse((sql,)), DECLARED)]
    assert found == [(table, column)]


def test_the_place_in_a_text_of_many_lines() -> None:
    sql = "SELECT total,\n       totl\nFROM orders"
    (mistake,) = mistakes(parse((sql,)), DECLARED)
    assert sql.encode()[mistake.offset :].startswith(b"totl")


def test_nothing_is_undeclared_without_contracts() -> None:
    assert list(mistakes(parse(("SELECT totl FROM shop.ordrs",)), Declared.of([]))) == []
