"""The call that a refusal shows does what the refused statement did: both run on a real PostgreSQL, from one state."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection

from groundwork.access.query import Filter
from groundwork.access.repository import Repositories
from groundwork.access.rows import Page, Row
from groundwork.contracts.derive.ddl import statements
from groundwork.rules.advice import GENERAL, advice, parameter_codes
from groundwork.rules.declared import Declared
from groundwork.rules.sql.statement import parse
from tests.fix_postgres import Database
from tests.rules.samples import shop

pytestmark = pytest.mark.postgres
DOMAIN = shop()
DECLARED = Declared.of([DOMAIN])
SEED = """
TRUNCATE shop.orders, shop.customers, shop.order_lines;
INSERT INTO shop.customers SELECT n, 'c' || n || '@example.org', CASE WHEN mod(n, 2) = 0 THEN 'DE' END
    FROM generate_series(1, 6) n;
INSERT INTO shop.orders SELECT n, mod(n, 3) + 1, CASE WHEN mod(n, 2) = 0 THEN 'open' ELSE 'filled' END, n * 1.5,
    timestamptz '2024-01-01' + n * interval '1 day' FROM generate_series(1, 12) n;
INSERT INTO shop.order_lines SELECT n, m, n * m FROM generate_series(1, 3) n, generate_series(1, 2) m;
"""
READS = [
    "SELECT * FROM orders WHERE order_id = 3",
    "SELECT * FROM orders WHERE order_id = 99",
    "SELECT * FROM order_lines WHERE line_number = 2 AND order_id = 3",
    "SELECT * FROM orders",
    "SELECT * FROM orders WHERE status = 'open'",
    "SELECT * FROM orders WHERE status <> 'open' AND total > 4.5",
    "SELECT * FROM orders WHERE 4.5 < total",
    "SELECT * FROM orders WHERE customer_id IN (1, 2) AND total <= 9",
    "SELECT * FROM customers WHERE country IS NULL",
    "SELECT * FROM customers WHERE country IS NOT NULL AND email = 'c2@example.org'",
    "SELECT * FROM orders WHERE total >= 3 ORDER BY placed_at DESC LIMIT 4",
    "SELECT * FROM orders ORDER BY status, order_id LIMIT 5",
]
WRITES = [
    "INSERT INTO customers (customer_id, email) VALUES (7, 'new@example.org')",
    "INSERT INTO customers (customer_id, email) VALUES (7, 'a'), (8, NULL)",
    "INSERT INTO customers (customer_id, email) VALUES (1, 'x')"
    " ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email",
    "UPDATE orders SET status = 'void', total = 2.25 WHERE order_id = 3",
    "UPDATE order_lines SET quantity = 9 WHERE order_id = 3 AND line_number = 1",
    "UPDATE orders SET status = 'void' WHERE status = 'open' AND total > 6",
    "DELETE FROM orders WHERE order_id = 3",
    "DELETE FROM order_lines WHERE quantity > 3",
    "DELETE FROM customers",
]


@pytest.fixture(scope="module")
def seeded(module_database: Database) -> Database:
    with module_database.engine.begin() as connection:
        for statement in statements(DOMAIN):
            connection.exec_driver_sql(statement.sql)
    return module_database


def _advised(sql: str) -> str:
    return advice(parse((sql,)), DECLARED, {})


def _run(database: Database, code: str) -> Any:
    """What the advised code gives; `row` is the row that the statement means, as the code's reader would have it."""
    space: dict[str, Any] = {
        "Repositories": Repositories,
        "Filter": Filter,
        "Decimal": Decimal,
        "engine": database.engine,
        "domain": DOMAIN,
    }
    if "row.version" in code and not code.startswith("for "):
        key = code.partition("(")[2].partition("(")[2]
        key = key[: key.rindex(", expected_version")].partition(", {")[0]
        table = code.partition('["')[2].partition('"]')[0]
        found = eval(f'Repositories(engine, domain)["{table}"].get({key})', space)  # noqa: S307 - code of ours
        space["row"] = found
    if code.startswith("for "):
        exec(code, space)  # noqa: S102 - code of ours
        return None
    return eval(code, space)  # noqa: S307 - code of ours


def _state(connection: Connection) -> list[list[tuple[Any, ...]]]:
    found = []
    for table in DOMAIN.tables:
        rows = connection.exec_driver_sql(f"SELECT * FROM {table.qualified_name}").all()
        found.append(sorted((tuple(row) for row in rows), key=repr))
    return found


@pytest.mark.parametrize("sql", READS)
def test_the_advised_call_reads_the_same_rows(seeded: Database, sql: str) -> None:
    with seeded.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        connection.exec_driver_sql(SEED)
        connection.exec_driver_sql("SET LOCAL search_path = shop")
        expected = [dict(row) for row in connection.exec_driver_sql(sql).mappings()]
    result = _run(seeded, _advised(sql))
    rows = result.rows if isinstance(result, Page) else [result] if isinstance(result, Row) else list(result or ())
    found = [dict(row) for row in rows]
    is_ordered = "ORDER BY" in sql
    assert (found if is_ordered else sorted(found, key=repr)) == (
        expected if is_ordered else sorted(expected, key=repr)
    )


@pytest.mark.parametrize("sql", WRITES)
def test_the_advised_call_leaves_the_same_state(seeded: Database, sql: str) -> None:
    with seeded.engine.begin() as connection:
        connection.exec_driver_sql(SEED)
    with seeded.engine.connect() as connection:
        before = _state(connection)
        connection.exec_driver_sql("SET LOCAL search_path = shop")
        connection.exec_driver_sql(sql)
        expected = _state(connection)
        connection.rollback()
    _run(seeded, _advised(sql))
    with seeded.engine.connect() as connection:
        assert _state(connection) == expected != before


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT count(*) FROM orders", "dbt model"),
        ("SELECT total FROM orders GROUP BY total", "dbt model"),
        ("SELECT * FROM orders o JOIN customers c USING (customer_id)", "dbt model"),
        ("SELECT * FROM orders WHERE lower(status) = 'x'", "no filters"),
        ("SELECT * FROM orders WHERE status = 'x' OR total = 1", "no filters"),
        ("CREATE INDEX ON orders (status)", "groundwork generate-migration orders"),
        ("COPY orders FROM STDIN", "bulk_insert"),
        ("SELECT * FROM elsewhere.things", "needs a contract first"),
        ("SELECT 1", GENERAL),
        ("SELECT 1; SELECT 2", GENERAL),
        ("no SQL at all", GENERAL),
    ],
)
def test_where_no_call_does_it_the_way_is_told(sql: str, says: str) -> None:
    assert says in _advised(sql)


def test_the_parameters_of_the_call_are_shown() -> None:
    import ast

    values = ast.parse("(order.id, 'x')", mode="eval").body
    sql = "UPDATE orders SET status = %s WHERE order_id = %s"
    told = advice(parse((sql,)), DECLARED, parameter_codes(ast.parse("('x', order.id)", mode="eval").body))
    assert told.endswith('["orders"].update(order.id, {"status": "x"}, expected_version=row.version)')
    told = advice(parse(("DELETE FROM orders WHERE order_id = $1",)), DECLARED, parameter_codes(values))
    assert told.endswith('["orders"].delete(order.id, expected_version=row.version)')
