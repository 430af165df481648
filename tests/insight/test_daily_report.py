"""The daily report tells what the store holds, and says what was never measured."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.flow import ledger
from groundwork.foundation.gate import Gate
from groundwork.insight.daily_report import DailyReport, daily_report
from groundwork.insight.markdown import to_markdown
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import DataQualityError
from groundwork.model.evidence import CriterionResult
from groundwork.model.incident import Severity
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import CheckKind, Dimension, Phase
from groundwork.orbt.health.states import TRAINING_RUNS
from groundwork.quality.score import score_table
from groundwork.settings import Settings
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.foundation import FoundationRuns
from groundwork.store.migrate import migrate
from groundwork.store.quality import QualityResults
from groundwork.store.report import Reports
from tests.fix_postgres import Database
from tests.insight.test_orbt_report import incident

pytestmark = pytest.mark.postgres
FIELDS = {
    "domain",
    "project_status",
    "specialist_assignments",
    "deliverables_completed",
    "quality_metrics",
    "orbt_status",
    "blocking_issues",
    "handoff_readiness",
    "institutional_knowledge_captured",
}
RESULT = CriterionResult(
    criterion="any",
    passed=True,
    expected="it holds",
    found="it holds",
    how_measured="looked",
    operation=Operation(project="market", name="any", step=1),
)

BAD = replace(RESULT, passed=False, found="2 differences", next_step="run <b>this</b>")


@pytest.fixture
def domain() -> Domain:
    return read_domain("market", Settings.from_environment().contracts)


@pytest.fixture
def store(database: Database) -> Database:
    migrate(database.engine)
    return database


def run_gates(store: Database, failing: str | None = None) -> None:
    runs, audit = FoundationRuns(store.engine), AuditTrail(store.engine)
    runs.start("run-1", "market", "warehouse", is_dry_run=False)
    for phase in Phase:
        runs.start_phase("run-1", phase)
        gate = Gate(phase=phase, domain="market", run_id="run-1", actor="test", runs=runs, audit=audit)
        results = {name: BAD if name == failing else RESULT for name in phase.criteria}
        gate.pass_or_fail([(name, partial(results.__getitem__, name)) for name in phase.criteria])
    runs.finish("run-1", is_success=True)


def load_all(store: Database, domain: Domain) -> None:
    """As many finished loads of every table as a baseline needs."""
    with store.engine.begin() as connection:
        ledger.ensure(connection)
        for table in domain.tables:
            for number in range(TRAINING_RUNS):
                connection.execute(
                    ledger.LOAD.insert().values(
                        schema_name=table.schema,
                        table_name=table.name,
                        run_id=f"load {number}",
                        source="a file",
                        mode="append",
                        state="finished",
                        read=10,
                        loaded=10,
                        finished_at=utc_now(),
                    )
                )


def made(store: Database, domain: Domain) -> DailyReport:
    return daily_report(store.engine, store.engine, domain, utc_now())


def test_an_empty_store_is_told_as_such(store: Database, domain: Domain) -> None:
    report = made(store, domain)
    assert set(report.to_json()) == FIELDS
    assert report.project_status["state"] == "build"
    assert report.quality_metrics["overall_pct"] is None
    assert not report.handoff_readiness["is_ready"]
    text = to_markdown(report, utc_now().date())
    assert "Run the Dag `data_foundation`" in text
    assert "not measured" in text


def test_a_good_day(store: Database, domain: Domain) -> None:
    run_gates(store)
    assert made(store, domain).project_status["state"] == "build"  # nothing was loaded
    load_all(store, domain)
    report = made(store, domain)
    assert report.project_status["state"] == "operating"
    assert report.project_status["missing_parts"] == []
    assert {each["state"] for each in report.orbt_status["states"].values()} == {"operating"}
    assert report.deliverables_completed == [phase.deliverable for phase in Phase]
    assert report.handoff_readiness["is_ready"]
    text = to_markdown(report, utc_now().date())
    for heading in ("## Status", "## Findings", "## Issues", "## Recommendations"):
        assert heading in text


def test_a_critical_incident_on_the_connection_that_it_lives_on_holds_the_hand_off_up(
    store: Database, domain: Domain
) -> None:
    run_gates(store)
    load_all(store, domain)
    incident(store.engine, "task:a:team/t", Severity.CRITICAL, utc_now(), domain="team", target="shop")
    assert made(store, domain).handoff_readiness["is_ready"]
    incident(store.engine, "task:b:team/t", Severity.CRITICAL, utc_now(), domain="team", target="warehouse")
    report = made(store, domain)
    assert not report.handoff_readiness["is_ready"]
    assert "Ready for hand-off: no" in to_markdown(report, utc_now().date())


def test_a_closed_gate_blocks_and_is_told_without_markup(store: Database, domain: Domain) -> None:
    with pytest.raises(DataQualityError):
        run_gates(store, failing="relationships_defined")
    FoundationRuns(store.engine).finish("run-1", is_success=False)
    report = made(store, domain)
    assert report.project_status["state"] == "repair"
    assert report.deliverables_completed == []
    assert [issue["found"] for issue in report.blocking_issues] == ["2 differences"]
    text = to_markdown(report, utc_now().date())
    assert "<b>" not in text.replace("\\<b", "")


def test_a_failing_check_is_an_issue_and_lowers_the_score(store: Database, domain: Domain) -> None:
    run_gates(store)
    check = Check(
        id="orders.side.in_set",
        schema="market",
        table="orders",
        columns=("side",),
        kind=CheckKind.IN_SET,
        dimension=Dimension.VALIDITY,
    )
    failed = CheckResult(
        check=check, passed=False, engine="sql", expected="buy", observed="1 of 2", failing_count=1, row_count=2
    )
    QualityResults(store.engine).record("run-1", "market", "after_load", [failed], [score_table([failed])])
    report = made(store, domain)
    assert report.quality_metrics["overall_pct"] == 50.0
    assert report.project_status["state"] == "repair"
    assert "orders.side.in_set" in report.blocking_issues[0]["what"]


def test_a_report_of_the_same_day_replaces_the_earlier_one(store: Database, domain: Domain) -> None:
    reports, today = Reports(store.engine), utc_now().date()
    for text in ("first", "second"):
        reports.keep(domain="market", kind="daily", report_date=today, markdown=text, fields={})
    latest = reports.latest("market")
    assert latest is not None
    assert latest["markdown"] == "second"
    assert reports.latest("other") is None
