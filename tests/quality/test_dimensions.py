"""Every dimension that the market's contracts promise something about is measured on the loaded market."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.quality.run import validate_domain
from groundwork.quality.source_agreement import source_agreement
from groundwork.store.migrate import migrate
from groundwork.store.quality import QualityResults
from tests.fix_market import PROJECT, Market

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_all_six_dimensions_of_the_market_are_scored(loaded_market: Market) -> None:
    migrate(loaded_market.engine)
    report = validate_domain(
        loaded_market.engine,
        loaded_market.engine,
        loaded_market.domain,
        expectations=PROJECT / "expectations",
        run_id="all",
        stage="after_load",
        project=PROJECT,
    )
    assert report.passed, report.to_text()
    assert report.orphans == 0
    with_source = {table.name for table in loaded_market.domain.tables if table.source is not None}
    for score in report.scores:
        table = loaded_market.domain.table(score.table)
        assert score.dimensions[Dimension.UNIQUENESS] == 100
        if score.row_count and any(column.is_required for column in table.columns):
            assert score.dimensions[Dimension.COMPLETENESS] == 100
        if score.row_count and table.relationships:
            assert score.dimensions[Dimension.CONSISTENCY] == 100
        if score.table in with_source:
            assert score.dimensions[Dimension.ACCURACY] is not None
        if table.freshness and with_source:
            assert score.dimensions[Dimension.TIMELINESS] is not None
    measured = {name for score in report.scores for name, value in score.dimensions.items() if value is not None}
    assert measured == set(Dimension)
    kinds = {row["kind"] for row in QualityResults(loaded_market.engine).results("all")}
    assert {CheckKind.RECONCILIATION, CheckKind.REFERENCES, CheckKind.EXPRESSION, CheckKind.EXPECTATION} <= kinds


def test_a_row_that_is_not_as_its_source_has_it_costs_accuracy(market: Market) -> None:
    table = market.domain.table("dividend_aristocrats")
    never = source_agreement(market.engine, market.domain, table, PROJECT)
    assert never is not None
    assert never.observed == "it was never loaded"
    market.load("dividend_aristocrats")
    held = source_agreement(market.engine, market.domain, table, PROJECT)
    assert held is not None
    assert held.passed
    market.run(
        "DELETE FROM market.dividend_aristocrats WHERE ctid = (SELECT min(ctid) FROM market.dividend_aristocrats)"
    )
    found = source_agreement(market.engine, market.domain, table, PROJECT)
    assert found is not None
    assert not found.passed
    assert found.failing_count == 1
    assert found.row_count == held.row_count


def test_a_source_that_vanished_is_a_check_that_could_not_be_run(market: Market, tmp_path: Path) -> None:
    market.load("dividend_aristocrats")
    table = market.domain.table("dividend_aristocrats")
    found = source_agreement(market.engine, market.domain, table, tmp_path)
    assert found is not None
    assert not found.passed
    assert found.observed.startswith("could not be run")


@pytest.mark.parametrize(
    "source",
    [
        None,
        {"kind": "http", "connection": "c", "path": "/x"},
        {"kind": "file", "format": "parquet", "path": "x.parquet"},
        {"kind": "file", "format": "csv", "path": "many/*.csv"},
        {"kind": "file", "format": "csv", "path": "s3://bucket/x.csv", "connection": "store"},
        {"kind": "file", "format": "csv", "path": "x.csv", "mode": "scd2"},
    ],
)
def test_what_a_second_reading_cannot_tell_is_not_measured(market: Market, source: dict[str, str] | None) -> None:
    table = replace(market.domain.table("dividend_aristocrats"), source=source)
    assert source_agreement(market.engine, market.domain, table, PROJECT) is None
