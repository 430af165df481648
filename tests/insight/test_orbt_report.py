"""What the daily report tells of faults and healing, and that no part that is missing keeps it from being told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.insight.daily_report import DailyReport, daily_report
from groundwork.insight.html_report import to_html
from groundwork.insight.markdown import to_markdown
from groundwork.model.fault import (
    Answer,
    Circumstances,
    EscalationReport,
    Fault,
    Impact,
    RemedyResult,
    Strike,
    StrikeAction,
    TaskTry,
    Urgency,
)
from groundwork.model.health import EarlyWarning, WarningKind
from groundwork.model.incident import Assessment, Opening, Severity
from groundwork.settings import Settings
from groundwork.store.base import utc_now
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.incident import Incidents
from groundwork.store.incident_table import INCIDENT
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def domain() -> Domain:
    return read_domain("market", Settings.from_environment().contracts)


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def strike(
    store: Engine,
    run_id: str,
    *remedies: RemedyResult,
    is_healed: bool,
    dag_id: str = "load",
    domain: str = "market",
    target: str | None = None,
) -> None:
    task_try = TaskTry(dag_id=dag_id, run_id=run_id, task_id="prices", try_number=1)
    made = Strike(
        task_try=task_try,
        fault=Fault(fault_class="connection_failures", exception="E", message="m"),
        impact=Impact(domain=domain),
        number=1,
        action=StrikeAction.RETRY,
        reason="r",
        at=utc_now(),
        remedies=remedies,
        circumstances=Circumstances(target=target),
    )
    Strikes(store).record(made)
    if is_healed:
        Strikes(store).healed(task_try)


def incident(
    store: Engine,
    cause: str,
    severity: Severity,
    opened_at: datetime,
    *,
    domain: str = "market",
    target: str | None = None,
) -> None:
    report = EscalationReport(
        domain=domain,
        issue_type="slow_queries",
        business_impact="prices are late",
        cross_domain_impact="none",
        recommended_action=Answer.RETRY,
        urgency_level=Urgency.HIGH,
    )
    opening = Opening(
        cause=cause,
        fault_class="slow_queries",
        report=report,
        assessment=Assessment(severity=severity),
        what="strike 3",
        at=opened_at,
        subject=f"load / {cause}",
        target=target,
    )
    Incidents(store).open(opening)


def told(store: Engine, domain: Domain) -> tuple[DailyReport, str]:
    report = daily_report(store, store, domain, utc_now())
    return report, to_markdown(report, utc_now().date())


def test_remedies_are_told_by_name_with_their_uncertainty(store: Engine, domain: Domain) -> None:
    worked = RemedyResult(remedy="reset_connections", is_done=True, report="ended 3 sessions")
    idle = RemedyResult(remedy="refresh_credentials", is_done=False, report="the same as before")
    for number in range(9):
        strike(store, f"r{number}", worked, idle, is_healed=True)
    strike(store, "r9", worked, is_healed=False)
    report, markdown = told(store, domain)
    assert report.institutional_knowledge_captured["remedies_that_healed"] == {"reset_connections": 9}
    rate = {"ran": 9, "healed": 9, "at_least_pct": 84.6, "at_most_pct": 100.0}  # the tenth has no end yet
    assert report.orbt_status["remedies"] == {"reset_connections": rate}
    assert "| `reset_connections` | 9 | 9 | 85 to 100 % |" in markdown
    assert (report.orbt_status["strikes"], report.orbt_status["healed"]) == (10, 9)


def test_incidents_by_severity_and_the_time_to_resolve_them(store: Engine, domain: Domain) -> None:
    now = utc_now()
    incident(store, "a", Severity.CRITICAL, now)
    incident(store, "b", Severity.LOW, now)
    incident(store, "c", Severity.LOW, now)
    with store.begin() as connection:
        done = {"state": "resolved", "opened_at": now - timedelta(minutes=30), "resolved_at": now}
        connection.execute(INCIDENT.update().where(INCIDENT.c.cause == "c").values(**done))
    report, markdown = told(store, domain)
    assert report.orbt_status["open_by_severity"] == {"critical": 1, "low": 1}
    assert report.orbt_status["mean_seconds_to_resolve"] == {"slow_queries": 1800.0}
    assert "2 incidents open (1 critical, 1 low)" in markdown
    assert "resolved after 30 min on average" in markdown
    assert "incident, critical, load / a: slow\\_queries" in markdown
    assert report.project_status["state"] in {"repair", "build"}


def test_open_breakers_and_warnings_are_issues(store: Engine, domain: Domain) -> None:
    from groundwork.store.health import HealthRecords

    Breakers(store).failed("connection:warehouse", by="r1", rule=BreakerRule(threshold=1), reason="refused <b>us</b>")
    warning = EarlyWarning(
        subject="database:warehouse", metric="size_bytes", kind=WarningKind.LIMIT, told="full in 3 days", value=1.0
    )
    HealthRecords(store).keep([warning], {("database:warehouse", "size_bytes")}, utc_now())
    report, markdown = told(store, domain)
    assert [each["target"] for each in report.orbt_status["breakers"]] == ["connection:warehouse"]
    assert "breaker of connection:warehouse is open" in markdown
    assert "full in 3 days" in markdown
    assert "<b>" not in to_html(markdown, "t").partition("<body>")[2]


def test_what_fails_on_a_connection_of_the_domain_is_told_and_a_critical_one_blocks(
    store: Engine, domain: Domain
) -> None:
    strike(store, "r1", is_healed=True, dag_id="team", domain="team", target="warehouse")
    incident(store, "task:slow_queries:team/a", Severity.HIGH, utc_now(), domain="team", target="warehouse")
    report, _ = told(store, domain)
    assert (report.orbt_status["strikes"], report.orbt_status["healed"]) == (1, 1)
    assert report.orbt_status["open_by_severity"] == {"high": 1}
    assert report.blocking_issues == [], "a task of somebody else holds nothing up"
    incident(store, "task:data_loss:team/b", Severity.CRITICAL, utc_now(), domain="team", target="warehouse")
    incident(store, "target:slow_queries:warehouse", Severity.LOW, utc_now(), domain="team", target="warehouse")
    report, markdown = told(store, domain)
    assert report.handoff_readiness["blocking_issues"] == 2
    assert not report.handoff_readiness["is_ready"]
    assert "3 incidents open (1 critical, 1 high, 1 low)" in markdown
    assert "incident, critical, load / task:data\\_loss:team/b" in markdown
    assert report.orbt_status["elsewhere"] == {"dags": [], "open_by_severity": {}}
    assert "## Elsewhere\n\nNothing that no domain owns." in markdown


def test_what_no_domain_owns_stands_elsewhere(store: Engine, domain: Domain) -> None:
    for number in range(22):
        strike(store, "r", is_healed=not number, dag_id=f"team_{number:02}", domain=f"team_{number:02}", target="shop")
    strike(store, "r2", is_healed=False, dag_id="team_07", domain="team_07")
    strike(store, "r", is_healed=False, dag_id="load_flights", domain="flights", target="warehouse")
    incident(store, "task:data_loss:team_07/b", Severity.CRITICAL, utc_now(), domain="team_07", target="shop")
    incident(store, "task:data_loss:load_flights/b", Severity.LOW, utc_now(), domain="flights", target="warehouse")
    flights = read_domain("flights", Settings.from_environment().project / "examples" / "contracts")
    report = daily_report(store, store, domain, utc_now(), domains=[domain, flights])
    markdown = to_markdown(report, utc_now().date())
    assert (report.orbt_status["strikes"], report.orbt_status["open_incidents"]) == (0, 0)
    assert report.blocking_issues == []
    elsewhere = report.orbt_status["elsewhere"]
    assert elsewhere["dags"][0] == {"dag_id": "team_07", "strikes": 2, "healed": 0, "escalated": 0}
    assert elsewhere["open_by_severity"] == {"critical": 1}
    part = markdown.partition("## Elsewhere")[2]
    assert "- 1 incidents open that no domain owns (1 critical)" in part
    assert "- Last 24 hours: 23 strikes in 22 Dags that no domain owns" in part
    assert "| `team_07` | 2 | 0 | 0 |" in part
    assert "| `team_00` | 1 | 1 | 0 |" in part
    assert "| and 2 more | | | |" in part
    assert "load_flights" not in markdown
    assert "Answer the critical incidents that no domain owns" in markdown
    assert to_html(markdown, "t").count("<table>") == 1


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("incident", "incidents"),
        ("breaker", "breakers"),
        ("health_warning", "warnings"),
        ("strike", "strikes"),
        ("strike", "what happened elsewhere"),
    ],
)
def test_a_part_that_cannot_be_read_is_named_and_the_rest_is_told(
    store: Engine, domain: Domain, table: str, part: str
) -> None:
    with store.begin() as connection:
        connection.execute(text(f"DROP TABLE groundwork.{table} CASCADE"))
    report, markdown = told(store, domain)
    assert part in report.project_status["missing_parts"]
    assert ("Could not be read." in markdown) is (table in {"strike", "incident"})
    assert "Could not be read for this report" in markdown


def test_a_store_that_is_away_gives_a_report_that_says_so(database: Database, domain: Domain) -> None:
    report, markdown = told(database.engine, domain)  # no table was ever made
    assert {"runs", "incidents", "quality", "audit trail"} <= set(report.project_status["missing_parts"])
    assert "## Recommendations" in markdown


def test_html_is_a_whole_document_without_foreign_markup() -> None:
    made = to_html("# A\n\n| a | b |\n|---|---:|\n| <script>x</script> | [l](javascript:x) |\n", "a < b")
    assert made.startswith("<!doctype html>")
    assert "<title>a &lt; b</title>" in made
    assert "<table>" in made
    assert "<script>" not in made
    assert 'href="javascript' not in made
