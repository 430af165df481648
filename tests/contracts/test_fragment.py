"""SQL in contracts is exactly one expression or one reading SELECT, or it is refused."""

from __future__ import annotations

import pytest

from groundwork.contracts.fragment import parse_expression, parse_query, relocated_query
from groundwork.model.errors import ConfigError


@pytest.mark.parametrize(
    ("sql", "columns", "is_constant"),
    [
        ("now()", (), True),
        ("current_timestamp", (), True),
        ("'{\"a\":1}'::jsonb", (), True),
        ("gen_random_uuid()", (), False),
        ("a <= b AND t.c", ("a", "b", "c"), False),
        ("coalesce(a, (SELECT 1))", ("a",), False),
    ],
)
def test_an_expression_tells_what_it_reads(sql: str, columns: tuple[str, ...], is_constant: bool) -> None:
    found = parse_expression(sql)
    assert (found.columns, found.is_constant) == (columns, is_constant)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "1; DROP TABLE x",
        "1) , (2",
        "a, b",
        "a AS x",
        "1 FROM t",
        "*",
        "t.*",
        "a) + (b",
        "1 --",
        "x /* why */",
        "DISTINCT a",
        "ALL a",
        "\x00",
        "now()); DROP TABLE x; --",
        "1 UNION SELECT 2",
        "1 LIMIT 1",
    ],
)
def test_anything_else_is_no_expression(sql: str) -> None:
    with pytest.raises(ConfigError):
        parse_expression(sql)


def test_a_query_tells_tables_columns_and_its_own_names() -> None:
    found = parse_query("WITH q AS (SELECT a AS k FROM s.t AS x) SELECT k, u.b FROM q JOIN s.u ON u.id = q.k")
    assert {(table.schema, table.name, table.alias) for table in found.tables} == {("s", "t", "x"), ("s", "u", "u")}
    assert ("u", "b") in found.columns
    assert {"q", "k"} <= found.made_names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "DELETE FROM t",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "SELECT 1 INTO x",
        "SELECT a FROM t FOR UPDATE",
        "EXPLAIN SELECT 1",
        "COPY t TO STDOUT",
        "",
    ],
)
def test_anything_else_is_no_reading_query(sql: str) -> None:
    with pytest.raises(ConfigError):
        parse_query(sql)


def test_a_query_can_be_read_from_another_schema() -> None:
    moved = relocated_query("SELECT 'market.t', a FROM market.t JOIN other.u USING (a)", {"market": "copy"})
    assert moved == "SELECT 'market.t', a FROM copy.t INNER JOIN other.u USING (a)"
