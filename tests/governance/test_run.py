"""A whole governance run: verdicts stored, audit told, report readable, tampering seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.governance.report import GovernanceReport
from groundwork.governance.run import GovernanceRun, run_governance
from groundwork.model.errors import DataQualityError
from groundwork.store.audit import AuditTrail
from groundwork.store.classification import ClassificationResults
from groundwork.store.migrate import migrate
from groundwork.store.policy_verdict import PolicyVerdicts
from tests.fix_postgres import Database
from tests.governance.clinic import clinic, make_clinic, market, policies

pytestmark = pytest.mark.postgres
NOW = datetime(2025, 6, 15, tzinfo=UTC)


def govern(database: Database, domain: Domain, run_id: str = "run-1") -> GovernanceReport:
    run = GovernanceRun(
        warehouse=database.engine,
        store=database.engine,
        domain=domain,
        policies=policies(),
        run_id=run_id,
        actor="test",
        now=NOW,
    )
    return run_governance(run)


@pytest.fixture
def classified(database: Database) -> Domain:
    """The clinic with a classification for every column, in a database with a store."""
    migrate(database.engine)
    domain = clinic(
        declared="{name: nothing_declared, physicalType: text}=>"
        "{name: nothing_declared, physicalType: text, classification: internal}"
    )
    make_clinic(database.engine, domain)
    return domain


def test_a_run_that_finds_nothing_to_stop_for(database: Database, classified: Domain) -> None:
    report = govern(database, classified)
    assert report.blocking == ()
    assert not report.is_blocked
    report.raise_if_blocked()
    warned = {(row["rule"], row["subject"]) for row in report.warnings}
    assert {("retention_measurable", "clinic.patients"), ("overdue", "clinic.visits")} <= warned
    told = json.loads(json.dumps(report.to_json()))
    assert told["verify_access"]["passed"] == told["verify_access"]["checks"] > 100
    assert told["retention_dry_run"]["rows_due"] == 4
    assert "clinic.patients.email" in told["classify"]["personal_data"]


def test_the_report_reads_as_markdown_tables(database: Database, classified: Domain) -> None:
    lines = govern(database, classified).markdown().splitlines()
    assert lines[0] == "# Governance of clinic: passed"
    assert any(line.startswith("| retention | 4 rows due (dry run") for line in lines)
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)
    assert any("clinic.visits | 2 y | 2023-06-15 | 4 of 6 | 2020-03-01" in line for line in lines)


def test_every_change_and_verdict_is_in_the_audit_trail(database: Database, classified: Domain) -> None:
    report = govern(database, classified)
    events = AuditTrail(database.engine).latest(1000)
    actions = {event["action"] for event in events}
    assert {"role_made", "view_made", "grant_given", "columns_classified", "access_applied", "access_verified",
            "retention_planned", "policy_violated", "governance_run"} - actions <= {"role_made"}  # fmt: skip
    violated = [event for event in events if event["action"] == "policy_violated"]
    assert len(violated) == len(report.warnings) + len(report.blocking)
    assert {event["operation_id"] for event in events} >= {"DATA.CLINIC.GOVERNANCE_CLASSIFY.GROUNDWORK.20000.001"}
    assert report.chain.is_intact
    assert report.chain.events == len(events)


def test_no_personal_value_reaches_the_store(database: Database, classified: Domain) -> None:
    govern(database, classified)
    with database.engine.connect() as connection:
        for table in ("audit_event", "column_classification", "policy_verdict"):
            kept = " ".join(connection.execute(text(f"SELECT t::text FROM groundwork.{table} t")).scalars())
            for value in ("Berg", "@example.com", "High Street", "4111 1111", "536-90-43", "Asthma"):
                assert value not in kept, table


def test_a_second_run_changes_nothing_and_a_repeated_one_replaces_its_verdicts(
    database: Database, classified: Domain
) -> None:
    first = govern(database, classified)
    again = govern(database, classified)
    assert again.steps["apply_access"]["changes"] == []
    assert len(again.verdicts) == len(first.verdicts)
    govern(database, classified, "run-2")
    assert {row["run_id"] for row in PolicyVerdicts(database.engine).latest("clinic")} == {"run-2"}
    assert {row["run_id"] for row in ClassificationResults(database.engine).latest("clinic")} == {"run-2"}
    assert PolicyVerdicts(database.engine).latest("elsewhere") == []


def test_a_column_without_classification_blocks(database: Database) -> None:
    migrate(database.engine)
    make_clinic(database.engine, clinic())
    report = govern(database, clinic())
    assert [(row["rule"], row["subject"][-16:]) for row in report.blocking] == [("unclassified", "nothing_declared")]
    with pytest.raises(DataQualityError, match=r"classification\.unclassified"):
        report.raise_if_blocked()
    assert report.markdown().startswith("# Governance of clinic: **blocked**")


def test_a_grant_beyond_policy_is_revoked_and_remembered(database: Database, classified: Domain) -> None:
    govern(database, classified)
    with database.engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON clinic.patients TO clinic_reader"))
    report = govern(database, classified, "run-2")
    assert [row["subject"] for row in report.warnings if row["rule"] == "drift"] == [
        "SELECT on clinic.patients to clinic_reader"
    ]
    assert "grant_revoked" in {event["action"] for event in AuditTrail(database.engine).latest(1000)}


def test_a_broken_audit_trail_blocks(database: Database, classified: Domain) -> None:
    govern(database, classified)
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE groundwork.audit_event SET actor = 'nobody' WHERE sequence = 2"))
    report = govern(database, classified, "run-2")
    assert report.is_blocked
    with pytest.raises(DataQualityError, match="the audit trail is broken"):
        report.raise_if_blocked()


def test_the_market_passes(database: Database) -> None:
    migrate(database.engine)
    with database.engine.begin() as connection:
        for statement in statements(market()):
            connection.exec_driver_sql(statement.sql, execution_options={"no_parameters": True})
    report = govern(database, market())
    assert report.blocking == ()
    assert report.steps["classify"]["differences"] == []
    assert report.warnings == ()
