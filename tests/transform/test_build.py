"""dbt builds the star schema on a real warehouse, incrementally and truthfully, and says what failed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from groundwork.flow.ledger import LOAD, ensure
from groundwork.model.errors import ConfigError, DataQualityError, RetriableError
from groundwork.settings import Settings
from groundwork.transform.build import build
from groundwork.transform.freshness import Freshness, source_freshness
from groundwork.transform.lineage import model_lineages, transform_lineage
from groundwork.transform.report import Origin, TransformReport
from tests.fix_postgres import Database
from tests.transform.market_tables import create_market

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]
PROJECT = Settings.from_environment().dbt_project


@pytest.fixture(scope="module")
def target_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("target")


@pytest.fixture(scope="module")
def first(module_database: Database, target_path: Path) -> TransformReport:
    with module_database.engine.begin() as connection:
        create_market(connection)
    return build(PROJECT, module_database.engine.url, target_path=target_path)


@pytest.fixture
def broken_project(tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("target", "logs"))
    return copy


def test_every_model_is_built_and_every_test_passes(first: TransformReport) -> None:
    sql_files = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    snapshots = {model.name for model in first.models if model.materialized == "snapshot"}
    assert snapshots == {"strategies_snapshot", "dividend_aristocrats_snapshot"}
    assert {model.name for model in first.models} - snapshots == sql_files
    assert {model.status for model in first.models} == {"success"}
    assert {test.status for test in first.tests} == {"pass"}
    assert {"unit", "unique", "not_null", "relationships", "accepted_values", "query"} == {t.kind for t in first.tests}
    rows = {model.name: model.row_count for model in first.models}
    assert rows["fct_daily_prices"] == 3
    assert rows["dim_ticker"] == 3
    assert rows["dim_date"] == 366  # 2012
    assert rows["stg_stock_prices"] is None  # a view


def test_returns_and_joins_are_right(first: TransformReport, module_database: Database) -> None:
    with module_database.engine.connect() as connection:
        returns = connection.execute(
            text("SELECT ticker, daily_return FROM market_marts.fct_daily_prices ORDER BY ticker, price_date")
        ).all()
        signal = connection.execute(
            text("SELECT signal_close_price, next_daily_return FROM market_marts.fct_signals")
        ).one()
        aristocrats = connection.execute(
            text("SELECT ticker FROM market_marts.dim_ticker WHERE is_dividend_aristocrat ORDER BY 1")
        ).scalars()
        assert [tuple(row) for row in returns] == [("ABC", None), ("IBM", None), ("IBM", Decimal("0.1000000000"))]
        assert tuple(signal) == (Decimal("10.0000"), Decimal("0.1000000000"))
        assert list(aristocrats) == ["ABC", "XYZ"]
        difference = text("SELECT priority_difference FROM market_marts.fct_conflicts")
        assert connection.execute(difference).scalar_one() == 5


def test_lineage_reaches_from_sources_to_marts(first: TransformReport, module_database: Database) -> None:
    assert ("market.stock_prices", "market_staging.stg_stock_prices") in first.edges
    assert ("market_staging.stg_stock_prices", "market_intermediate.int_price_changes") in first.edges
    assert ("market_intermediate.int_price_changes", "market_marts.fct_daily_prices") in first.edges
    assert ("market_snapshots.strategies_snapshot", "market_marts.dim_strategy_history") in first.edges
    assert first.unparsed == {}
    traced = first.column_lineage["model.groundwork.int_price_changes", "daily_return"]
    staged = "model.groundwork.stg_stock_prices"
    assert Origin(unique_id=staged, column="adjusted_close_price", how="expression") in traced
    name = first.column_lineage["model.groundwork.stg_strategies", "strategy_name"]
    assert name == (Origin(unique_id="source.groundwork.market.strategies", column="name", how="identity"),)
    lineage = transform_lineage(module_database.engine, first)
    assert f"{module_database.name}.market.stock_prices" in {dataset.name for dataset in lineage.inputs}
    assert len(lineage.outputs) == len(first.models)
    (fact,) = [one for one in model_lineages(module_database.engine, first) if one.name == "fct_daily_prices"]
    assert (fact.made.outputs[0].row_count, dict(fact.made.outputs[0].columns)["volume"]) == (3, "bigint")
    assert fact.tested is not None
    assert {"fct_daily_prices_is_unique"} <= {one.check.id.removeprefix("dbt.") for one in fact.tested.assertions}
    assert all(one.passed for one in fact.tested.assertions)


def test_everything_that_was_built_is_described_in_the_database(
    first: TransformReport, module_database: Database
) -> None:
    query = text(
        "SELECT namespace.nspname || '.' || class.relname || coalesce('.' || attribute.attname, '')"
        " FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace"
        " JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0"
        " WHERE namespace.nspname LIKE 'market\\_%' AND class.relkind IN ('r', 'v') AND NOT attribute.attisdropped"
        " AND (obj_description(class.oid) IS NULL OR col_description(class.oid, attribute.attnum) IS NULL)"
    )
    with module_database.engine.connect() as connection:
        assert list(connection.execute(query).scalars()) == []
        described = "SELECT count(*) FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid AND d.objsubid = 0"
        assert connection.execute(text(f"{described} WHERE c.relname = 'dim_strategy_history'")).scalar_one() == 1


def test_freshness_follows_the_promises(first: TransformReport, module_database: Database, target_path: Path) -> None:
    def told() -> dict[str, Freshness]:
        found = source_freshness(PROJECT, module_database.engine.url, target_path=target_path)
        return {one.table: one for one in found}

    before = told()
    assert before["market.orders"].status == "runtime error"  # there is no ledger of loads yet
    with module_database.engine.begin() as connection:
        ensure(connection)
        values = {"run_id": "r", "schema_name": "market", "source": "s", "mode": "merge", "state": "finished"}
        connection.execute(insert(LOAD).values(**values, table_name="orders", finished_at=text("now()")))
        long_ago = text("now() - interval '8 days'")
        connection.execute(insert(LOAD).values(**values, table_name="conflict_logs", finished_at=long_ago))
    after = told()
    assert after["market.orders"].status == "pass"
    assert after["market.conflict_logs"].status == "warn"
    assert (after["market.conflict_logs"].age_seconds or 0) > 7 * 86_400
    assert after["market.strategies"].status == "pass"  # written just now, by the column's default
    assert after["market.stock_prices"].status == "warn"  # loaded in 2024
    assert after["market.news_articles"].message == "nothing was ever loaded"


def test_a_snapshot_keeps_what_was(first: TransformReport, module_database: Database, target_path: Path) -> None:
    with module_database.engine.begin() as connection:
        connection.execute(text("UPDATE market.strategies SET priority = 7 WHERE name = 'slow'"))
        connection.execute(text("DELETE FROM market.dividend_aristocrats WHERE ticker = 'XYZ'"))
    build(
        PROJECT,
        module_database.engine.url,
        target_path=target_path,
        select="strategies_snapshot dim_strategy_history dividend_aristocrats_snapshot,resource_type:snapshot",
    )
    with module_database.engine.connect() as connection:
        versions = connection.execute(
            text(
                "SELECT priority, is_current, valid_to_at > valid_from_at FROM market_marts.dim_strategy_history"
                " WHERE strategy_name = 'slow' ORDER BY valid_from_at"
            )
        ).all()
        left = connection.execute(
            text("SELECT ticker FROM market_snapshots.dividend_aristocrats_snapshot WHERE valid_to_at IS NOT NULL")
        ).scalars()
        assert [tuple(row) for row in versions] == [(4, False, True), (7, True, None)]
        assert list(left) == ["XYZ"]


def test_a_late_row_changes_only_what_depends_on_it(
    first: TransformReport, module_database: Database, target_path: Path
) -> None:
    with module_database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO market.stock_prices (ticker, price_date, open_price, high_price, low_price, close_price,"
                " adjusted_close_price, volume, loaded_at)"
                " VALUES ('IBM', '2012-01-04', 10, 12, 9, 10, 10.5, 100, '2024-02-01')"
            )
        )
    second = build(PROJECT, module_database.engine.url, target_path=target_path, select="fct_daily_prices")
    assert {model.name: model.row_count for model in second.models} == {"fct_daily_prices": 2}  # the late row, its next
    third = build(PROJECT, module_database.engine.url, target_path=target_path, select="fct_daily_prices")
    assert third.models[0].row_count == 0
    with module_database.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT daily_return FROM market_marts.fct_daily_prices WHERE ticker = 'IBM' ORDER BY price_date")
        ).scalars()
        assert [None if row is None else round(float(row), 4) for row in rows] == [None, 0.05, 0.0476]


def test_a_row_committed_late_and_a_row_that_is_gone_reach_the_fact(
    first: TransformReport, module_database: Database, target_path: Path
) -> None:
    with module_database.engine.begin() as connection:
        connection.execute(text("DELETE FROM market.stock_prices WHERE ticker = 'ABC'"))
        connection.execute(  # written down before the last run by its clock, seen only now
            text(
                "INSERT INTO market.stock_prices (ticker, price_date, open_price, high_price, low_price, close_price,"
                " adjusted_close_price, volume, loaded_at)"
                " VALUES ('IBM', '2012-01-06', 10, 12, 9, 11, 11, 100, '2023-12-31')"
            )
        )
    again = build(PROJECT, module_database.engine.url, target_path=target_path, select="fct_daily_prices")
    assert [model.row_count for model in again.models] == [1]
    with module_database.engine.connect() as connection:
        days = connection.execute(
            text("SELECT ticker, price_date::text FROM market_marts.fct_daily_prices ORDER BY 1, 2")
        ).all()
    assert [tuple(row) for row in days] == [("IBM", f"2012-01-0{day}") for day in (3, 4, 5, 6)]


def test_a_broken_model_is_named(
    first: TransformReport, module_database: Database, broken_project: Path, tmp_path: Path
) -> None:
    (broken_project / "models/marts/dim_strategy.sql").write_text("SELECT no_such_column FROM market.strategies")
    with pytest.raises(DataQualityError) as caught:
        build(broken_project, module_database.engine.url, target_path=tmp_path / "t", select="dim_strategy")
    assert caught.value.found == "dim_strategy"
    assert "no_such_column" in str(caught.value)
    assert module_database.engine.url.password not in str(caught.value)


def test_a_failing_test_is_named(
    first: TransformReport, module_database: Database, broken_project: Path, tmp_path: Path
) -> None:
    (broken_project / "tests/nothing_is_right.sql").write_text("SELECT * FROM {{ ref('dim_ticker') }}")
    with pytest.raises(DataQualityError, match="nothing_is_right"):
        build(broken_project, module_database.engine.url, target_path=tmp_path / "t", select="nothing_is_right")


def test_a_project_that_does_not_parse_is_a_mistake_of_declaration(
    module_database: Database, broken_project: Path, tmp_path: Path
) -> None:
    (broken_project / "models/marts/dim_strategy.sql").write_text("SELECT * FROM {{ ref('nowhere') }}")
    with pytest.raises(ConfigError, match="nowhere") as caught:
        build(broken_project, module_database.engine.url, target_path=tmp_path / "t")
    assert caught.value.next_step


def test_no_warehouse_is_worth_another_try(module_database: Database, tmp_path: Path) -> None:
    elsewhere = module_database.engine.url.set(port=1)
    with pytest.raises(RetriableError, match="could not reach"):
        build(PROJECT, elsewhere, target_path=tmp_path / "t", select="dim_strategy")


def test_a_run_that_takes_too_long_is_stopped(module_database: Database, tmp_path: Path) -> None:
    with pytest.raises(RetriableError, match="did not end"):
        build(PROJECT, module_database.engine.url, target_path=tmp_path / "t", timeout_seconds=0.1)


def test_a_folder_without_a_project_is_refused(module_database: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no dbt project"):
        build(tmp_path, module_database.engine.url, target_path=tmp_path / "t")
