"""A domain is validated, scored and kept; samples never show what is guarded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.contracts.contract import Domain
from groundwork.model.errors import ConfigError, DataQualityError
from groundwork.model.vocabulary import CheckKind, Classification, Severity
from groundwork.quality.run import QualityReport, Stage, validate_domain
from groundwork.quality.sample import MASK
from groundwork.quality.suites import read_suites
from groundwork.store.migrate import migrate
from groundwork.store.quality import QualityResults
from tests.fix_postgres import Database
from tests.quality.shop import FAILING, NO_SUITES, SUITES, create, shop

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(database: Database) -> QualityResults:
    migrate(database.engine)
    return QualityResults(database.engine)


def _validate(database: Database, stage: str = "after_load", *, full: bool = False, **options: object) -> QualityReport:
    return validate_domain(
        database.engine,
        database.engine,
        shop(),
        expectations=SUITES if full else NO_SUITES,
        run_id="run 1",
        stage=stage,
        use_great_expectations=full,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_engines_and_the_suite_by_hand_are_run_and_kept(database: Database, store: QualityResults) -> None:
    create(database.engine, with_defects=True)
    report = _validate(database, full=True)
    derived = {result.check.id: result.failing_count for result in report.results if result.check.id in FAILING}
    assert derived == FAILING
    by_hand = [result for result in report.results if result.check.kind is CheckKind.EXPECTATION]
    assert [(result.passed, result.failing_count) for result in by_hand] == [(False, 1), (True, None), (False, 1)]
    assert {result.engine for result in report.results} == {"great_expectations", "sql"}
    kept = store.results("run 1", Stage.AFTER_LOAD)
    assert [row["check_id"] for row in kept] == [result.check.id for result in report.results]
    assert [row["is_passed"] for row in kept] == [result.passed for result in report.results]
    assert report.orphans == 2


def test_no_value_above_internal_is_in_a_sample(database: Database, store: QualityResults) -> None:
    create(database.engine, with_defects=True)
    report = _validate(database)
    for result in report.results:
        table = shop().table(result.check.table)
        for row in result.sample:
            for name, value in row.items():
                guard = table.column(name).classification or Classification.RESTRICTED
                assert guard.rank <= Classification.INTERNAL.rank or value == MASK
    samples = {result.check.id: result.sample for result in report.results if result.sample}
    assert samples["shop.customers.email.matches"] == ({"customer_id": "2", "email": MASK},)
    assert samples["shop.orders.customer_id.references"][0] == {"order_id": "2", "line": "1", "customer_id": "99"}
    assert len(samples) == sum(1 for count in FAILING.values() if count)
    with database.engine.connect() as connection:
        everything: str = connection.execute(
            text("SELECT json_agg(c)::text FROM groundwork.check_result c")
        ).scalar_one()
    assert "secret-not-an-address" not in everything
    assert "1000.50" not in everything


def test_a_report_names_what_failed(database: Database, store: QualityResults) -> None:
    create(database.engine, with_defects=True)
    report = _validate(database)
    assert not report.passed
    with pytest.raises(DataQualityError) as caught:
        report.raise_if_failed()
    assert "shop.orders.customer_id.references" in str(caught.value.found)
    assert "shop.orders.status.quality_missingValues" not in str(caught.value.found)  # a warning
    assert all(result.check.severity is Severity.ERROR for result in report.errors)
    assert json.loads(json.dumps(report.to_json()))["orphans"] == 2


def test_before_a_load_neither_number_nor_age_of_rows_is_asked(database: Database, store: QualityResults) -> None:
    create(database.engine, with_defects=False)
    report = _validate(database, Stage.BEFORE_LOAD)
    kinds = {result.check.kind for result in report.results}
    assert not kinds & {CheckKind.ROW_COUNT, CheckKind.FRESHNESS}
    assert store.latest_scores("shop") == []  # what was there before is no score of the load
    assert len(store.results("run 1", Stage.BEFORE_LOAD)) == len(report.results)


def test_a_repeated_stage_replaces_its_results(database: Database, store: QualityResults) -> None:
    create(database.engine, with_defects=True)
    first = _validate(database)
    _validate(database, tables=["orders"])
    assert len(store.results("run 1")) == len(first.results)
    assert len(store.results("run 1", only_failed=True)) == sum(not result.passed for result in first.results)


def test_scores_are_kept_in_order_of_time(database: Database, store: QualityResults) -> None:
    create(database.engine, with_defects=True)
    _validate(database)
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM shop.customers WHERE customer_id IS DISTINCT FROM 2"))
        connection.execute(text("UPDATE shop.customers SET email = 'c@d.ef', country = 'FR', created_at = now()"))
    validate_domain(
        database.engine,
        database.engine,
        shop(),
        expectations=NO_SUITES,
        run_id="run 2",
        stage="scheduled",
        use_great_expectations=False,
    )
    trend = store.trend("shop", "customers")
    assert [row["run_id"] for row in trend] == ["run 1", "run 2"]
    assert trend[0]["overall_pct"] < trend[1]["overall_pct"] == 100
    assert store.trends("shop")["shop.customers"] == [float(row["overall_pct"]) for row in trend]
    assert {row["table_name"]: row["run_id"] for row in store.latest_scores("shop")} == {
        "customers": "run 2",
        "orders": "run 2",
    }


def test_a_domain_whose_tables_do_not_exist_is_told_so(database: Database, store: QualityResults) -> None:
    with pytest.raises(ConfigError, match=r"shop\.customers does not exist"):
        _validate(database)
    assert store.results("run 1") == []


def test_an_unknown_table_is_refused(database: Database, store: QualityResults) -> None:
    with pytest.raises(ConfigError, match="no table `nothing`"):
        _validate(database, tables=["nothing"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot read the suite"),
        ("[]", "not a suite"),
        ('{"meta": {}, "expectations": []}', "not a suite"),
        ('{"meta": {"domain": "shop", "table": "nowhere"}, "expectations": [{}]}', "no table `nowhere`"),
        ('{"meta": {"domain": "shop", "table": "orders"}, "expectations": [{}]}', "not right"),
        (
            '{"meta": {"domain": "shop", "table": "orders"}, "expectations": '
            '[{"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "DELETE FROM {batch}"}}]}',
            "not right",
        ),
    ],
)
def test_a_broken_suite_is_named(tmp_path: Path, content: str, problem: str) -> None:
    (tmp_path / "broken.json").write_text(content, encoding="utf-8")
    domain: Domain = shop()
    with pytest.raises(ConfigError, match=problem):
        read_suites(tmp_path, domain)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_after_a_transformation_what_it_made_is_checked(
    database: Database, store: QualityResults, tmp_path: Path
) -> None:
    create(database.engine, with_defects=True)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE VIEW shop.sales AS SELECT order_id, amount FROM shop.orders"))
    entry = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount"}, "meta": {"name": "amounts"}}
    suite = {
        "name": "sales",
        "meta": {"domain": "shop", "table": "shop.sales", "stage": "after_transform"},
        "expectations": [entry],
    }
    (tmp_path / "sales.json").write_text(json.dumps(suite), encoding="utf-8")
    options = {"expectations": tmp_path, "run_id": "run 1"}
    report = validate_domain(database.engine, database.engine, shop(), stage="after_transform", **options)  # type: ignore[arg-type]
    assert [(result.check.id, result.failing_count) for result in report.results] == [
        ("shop.sales.sales.amounts.expectation", 2)
    ]
    assert [result.sample for result in report.results] == [()]
    assert not report.passed
    after_load = validate_domain(database.engine, database.engine, shop(), stage="after_load", **options)  # type: ignore[arg-type]
    assert "sales" not in {result.check.table for result in after_load.results}


def test_a_suite_for_what_a_transformation_makes_names_the_schema(tmp_path: Path) -> None:
    suite = {"meta": {"domain": "shop", "table": "sales", "stage": "after_transform"}, "expectations": [{}]}
    (tmp_path / "sales.json").write_text(json.dumps(suite), encoding="utf-8")
    with pytest.raises(ConfigError, match="which table"):
        read_suites(tmp_path, shop(), of_transformed=True)
