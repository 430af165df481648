"""Who relies on what: real files of every kind, look-alikes that only mention a name, and the project as it ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundwork.contracts.consumers import Consumer, consumers_of
from groundwork.contracts.consumers.sql_reading import Table, read_sql
from groundwork.contracts.contract import Domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract
from groundwork.model.errors import ConfigError
from tests.contracts.samples import SHOP_TEXT, market

PROJECT = Path(__file__).parents[2]
KNOWN: dict[Table, list[str]] = {("m", "t"): ["a", "b", "c"], ("m", "u"): ["a", "d"]}
CONTRACT = SHOP_TEXT.replace(
    "    description: What was bought.\n",
    "    description: What was bought.\n"
    "    quality:\n"
    "      - {name: no_orphans, type: sql, query: 'SELECT s.customer_id FROM ${schema}.${table} AS s', mustBe: 0}\n",
).replace(
    "      - {property: retentionColumn, value: sold_date}\n",
    "      - {property: retentionColumn, value: sold_date}\n"
    "      - {property: source, value: {kind: computed, callable: 'shop.sales:rows', inputs: [customers]}}\n"
    "      - property: accessPatterns\n"
    "        value:\n"
    "          - name: names_of_a_day\n"
    "            query: SELECT c.label FROM shop.sales s JOIN shop.customers c USING (customer_id)"
    " WHERE s.state = 'code'\n",
)
FILES = {
    "dbt_project/dbt_project.yml": "name: shop\nversion: 1.0.0\n",
    "dbt_project/models/sources.yml": "version: 2\n"
    "sources:\n"
    "  - name: raw\n"
    "    schema: shop\n"
    "    tables:\n"
    "      - {name: people, identifier: customers, columns: [{name: code, data_tests: [unique]}]}\n"
    "      - {name: sales}\n"
    "models:\n"
    "  - name: people_by_code\n"
    "    config: {meta: {owner: reporting}}\n"
    "    columns: [{name: key, data_tests: [not_null, {accepted_values: {arguments: {values: [1]}}}]}]\n"
    "exposures:\n"
    "  - name: board\n"
    "    type: dashboard\n"
    "    owner: {name: Ada, email: ada@example.org}\n"
    "    depends_on: [ref('people_by_code')]\n",
    "dbt_project/models/stg_people.sql": "-- label is only named here\n"
    "{{ config(materialized='view') }}\n"
    "SELECT code AS key, 'balance' AS word, joined_date FROM {{ source('raw', 'people') }}\n",
    "dbt_project/models/people_by_code.sql": "{% set names = ['key'] %}\n"
    "SELECT {% for name in names %}{{ name }}{% endfor %} FROM {{ ref('stg_people') }}\n",
    "dbt_project/models/odd.sql": "{% unknown_tag %} SELECT * FROM {{ source('raw', 'sales') }}\n",
    "dbt_project/tests/no_future.sql": "SELECT * FROM {{ ref('stg_people') }} WHERE joined_date > current_date\n",
    "expectations/people.json": json.dumps(
        {
            "name": "people",
            "meta": {"domain": "shop", "table": "customers"},
            "expectations": [
                {
                    "type": "expect_column_values_to_not_be_null",
                    "kwargs": {"column": "label"},
                    "meta": {"name": "named"},
                },
                {
                    "type": "unexpected_rows_expectation",
                    "kwargs": {"unexpected_rows_query": "SELECT code FROM {batch} WHERE balance < 0 -- settings"},
                    "meta": {"name": "no_debt"},
                },
            ],
        }
    ),
    "governance/policies/retention.yaml": "kind: retention\nlegal_holds:\n  - {table: shop.sales, reason: a case}\n",
    "dags/load.py": '"""Mentions shop.customers in words only: SELECT code FROM shop.customers."""\n'
    "from airflow.sdk import DAG\n"
    'with DAG(dag_id="shop_load", default_args={"owner": "shop-ops"}):\n'
    '    Load(task_id="sales", tables="sales,others")\n'
    '    Query(sql="SELECT is_active FROM shop.customers")\n'
    '    Report(title="customers and sales", asset="x-groundwork://warehouse/shop/sales")\n',
    "dags/broken.py": "def broken(:\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _shop() -> Domain:
    return Domain(name="shop", contracts=(read_contract(parse_document(CONTRACT, Path("shop.odcs.yaml"))),))


def _short(consumers: tuple[Consumer, ...]) -> set[str]:
    return {f"{consumer.kind} {consumer.name}" for consumer in consumers}


ALWAYS = {"role shop_reader", "computed table sales"}  # whoever sees the table, and what may read any column of it
COLUMNS = {
    "code": {
        "check customers_code_check",
        "unique key customers_code_key",
        "dbt model stg_people",
        "dbt model people_by_code",
        "dbt test unique of people.code",
        "dbt test not_null of people_by_code.key",
        "dbt test accepted_values of people_by_code.key",
        "dbt test no_future",
        "dbt exposure board",
        "suite people: no_debt",
    },
    "label": {
        "check customers_code_check",
        "generated column customers.label_length",
        "index customers_lower_label_idx",
        "index customers_joined_date_idx",
        "access pattern names_of_a_day",
        "suite people: named",
    },
    "balance": {"suite people: no_debt"},
    "settings": {"index customers_settings_idx"},
    "is_active": {"index customers_joined_date_idx", "dag shop_load"},
    "customer_id": {"foreign key sales(customer_id)", "access pattern names_of_a_day"},
}


@pytest.mark.parametrize("column", COLUMNS)
def test_consumers_of_a_column(project: Path, column: str) -> None:
    assert _short(consumers_of(_shop(), "customers", column, project=project)) == COLUMNS[column] | ALWAYS


def test_consumers_of_a_table(project: Path) -> None:
    found = _short(consumers_of(_shop(), "sales", project=project))
    assert {
        "dag shop_load",
        "policy retention",
        "dbt model odd",
        "quality rule sales: no_orphans",
        "load sales",
    } <= found
    assert {"retention sales", "partitioning sales", "access pattern names_of_a_day"} <= found
    assert not {name for name in found if "people" in name}


def test_each_consumer_names_its_place_and_owner(project: Path) -> None:
    found = {consumer.name: consumer for consumer in consumers_of(_shop(), "customers", "code", project=project)}
    assert found["people_by_code"].where == "dbt_project/models/people_by_code.sql:2"
    assert found["people_by_code"].how == "reads it through stg_people"
    assert found["people_by_code"].owner == "reporting"
    assert found["board"].owner == "ada@example.org"
    assert found["people: no_debt"].where.startswith("expectations/people.json:")
    assert found["customers_code_key"].owner == "shop-team"
    dags = [c for c in consumers_of(_shop(), "customers", "is_active", project=project) if c.kind == "dag"]
    assert [(dag.where, dag.owner) for dag in dags] == [("dags/load.py:5", "shop-ops")]


def test_what_is_not_declared_has_no_consumers(project: Path) -> None:
    with pytest.raises(ConfigError, match="no table"):
        consumers_of(_shop(), "nothing", project=project)
    with pytest.raises(ConfigError, match="no column"):
        consumers_of(_shop(), "sales", "nothing", project=project)


def test_a_project_without_files_has_the_contracts_only(tmp_path: Path) -> None:
    assert _short(consumers_of(_shop(), "customers", "balance", project=tmp_path)) == ALWAYS


def test_the_market_as_it_ships() -> None:
    found = _short(consumers_of(market(), "trading_signals", "strength", project=PROJECT))
    assert {"dbt model stg_trading_signals", "dbt model fct_signals", "computed table orders"} <= found
    assert not {name for name in found if name.startswith(("index", "foreign key", "access pattern", "dbt test"))}
    found = _short(consumers_of(market(), "stock_prices", "adjusted_close_price", project=PROJECT))
    assert {
        "dbt model fct_daily_prices",
        "dbt model fct_signals",
        "suite stock_prices: daily_change_is_plausible",
    } <= found
    assert "dbt model dim_date" not in found


READINGS: list[tuple[str, set[str], set[str]]] = [
    ("SELECT * FROM m.t", {"t.a", "t.b", "t.c"}, set()),
    ("SELECT count(*) FROM t", set(), set()),
    ("SELECT 'a' AS b FROM m.t -- c", set(), set()),
    ("WITH z AS (SELECT a AS q, b FROM m.t) SELECT q FROM z", {"t.a", "t.b"}, set()),
    ("SELECT a, d FROM m.t JOIN m.u USING (a)", {"t.a", "u.a", "u.d"}, set()),
    ("SELECT a FROM m.t UNION SELECT d FROM m.u", {"t.a", "u.d"}, set()),
    ("SELECT (SELECT max(d) FROM m.u WHERE u.a = t.b) FROM m.t", {"t.b", "u.a", "u.d"}, set()),
    ("SELECT t FROM m.t", set(), {"t"}),
    ("SELECT nowhere FROM m.t, m.u", set(), {"t", "u"}),
    ("SELECT x.v FROM m.t, LATERAL (SELECT d AS v FROM m.u WHERE u.a = t.c) AS x", {"t.c", "u.a", "u.d"}, set()),
    ("INSERT INTO m.t SELECT 1", set(), {"t"}),
    ("WITH t AS (SELECT 1 AS a) SELECT a FROM t", set(), set()),
    ("WITH RECURSIVE r AS (SELECT a FROM m.t UNION ALL SELECT r.a + 1 FROM r) SELECT a FROM r", {"t.a"}, set()),
]


@pytest.mark.parametrize(("sql", "columns", "whole"), READINGS)
def test_what_a_query_reads(sql: str, columns: set[str], whole: set[str]) -> None:
    reading = read_sql(sql, KNOWN)
    assert reading is not None
    assert {f"{table}.{column}" for _, table, column in reading.columns} == columns
    assert {table for _, table in reading.whole} == whole


@pytest.mark.parametrize("sql", ["garbage ((", "SELECT FROM WHERE", "'"])
def test_what_is_no_sql_reads_nothing(sql: str) -> None:
    assert read_sql(sql, KNOWN) is None
