"""Lineage values become OpenLineage facets without loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import make_url

from groundwork.contracts.derive.dataset import load_lineage
from groundwork.contracts.read import read_domain
from groundwork.model.checks import Check, CheckResult
from groundwork.model.lineage import Lineage
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.settings import Settings

pytestmark = pytest.mark.airflow
URL = make_url("postgresql+psycopg://someone:secret-word@db.example:5433/warehouse")
OPERATION = Operation(project="market", name="load", step=34)


def converted(lineage: Lineage) -> dict[str, object]:
    from openlineage.client.serde import Serde

    from groundwork.operators.lineage import operator_lineage

    made = operator_lineage(lineage, OPERATION)
    return {
        "inputs": [json.loads(Serde.to_json(one)) for one in made.inputs],
        "outputs": [json.loads(Serde.to_json(one)) for one in made.outputs],
        "run": json.loads(Serde.to_json(made.run_facets["groundwork"])),
        "text": " ".join(Serde.to_json(one) for one in (*made.outputs, *made.inputs)),
    }


@pytest.fixture(scope="module")
def market() -> object:
    return read_domain("market", Settings.from_environment().contracts)


def test_a_file_load_names_file_table_columns_rows_and_operation(market: object) -> None:
    table = market.table("stock_prices")
    events = converted(load_lineage(URL, market, table, project=Path("/project"), row_count=12))
    (output,) = events["outputs"]
    assert (output["namespace"], output["name"]) == (
        "postgres://db.example:5433",
        "warehouse.market.stock_prices",
    )
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 12
    assert {field["name"] for field in output["facets"]["schema"]["fields"]} >= {"ticker", "price_date", "volume"}
    source = output["facets"]["columnLineage"]["fields"]["open_price"]["inputFields"][0]
    assert (source["namespace"], source["name"], source["field"]) == (
        "file",
        "bokeh_sampledata/_data/stocks.csv.gz",
        "Open",
    )
    assert events["run"]["operationId"] == OPERATION.id
    assert events["run"]["section"] == OPERATION.section


def test_a_computed_load_names_its_input_tables_and_claims_no_columns(market: object) -> None:
    table = market.table("trading_signals")
    events = converted(load_lineage(URL, market, table, project=Path("/project"), row_count=1))
    assert [one["name"] for one in events["inputs"]] == [
        "warehouse.market.stock_prices",
        "warehouse.market.strategies",
    ]
    assert "columnLineage" not in events["outputs"][0]["facets"]


def test_no_password_reaches_an_event(market: object) -> None:
    events = converted(load_lineage(URL, market, market.table("orders"), project=Path("/project"), row_count=1))
    assert "secret-word" not in events["text"]
    assert "someone" not in events["text"]


def test_quality_results_are_assertions_of_their_table_only(market: object) -> None:
    from groundwork.contracts.derive.dataset import table_dataset

    check = Check(
        id="orders.side.in_set",
        schema="market",
        table="orders",
        columns=("side",),
        kind=CheckKind.IN_SET,
        dimension=Dimension.VALIDITY,
    )
    result = CheckResult(check=check, passed=False, engine="sql", expected="buy or sell", observed="1 other")
    inputs = tuple(table_dataset(URL, market.table(name)) for name in ("orders", "strategies"))
    events = converted(Lineage(inputs=inputs, assertions=(result,)))
    orders, strategies = events["inputs"]
    (assertion,) = orders["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (assertion["assertion"], assertion["success"], assertion["column"]) == ("orders.side.in_set", False, "side")
    assert not strategies.get("inputFacets")
