"""An incident that became worse is told by the routes of its severity now, once for each severity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, EscalationReport, TaskTry, Urgency
from groundwork.model.incident import Assessment, Opening, Severity
from groundwork.operators.incidents.notify import notify, send_again, try_channel
from groundwork.orbt.incidents.notifications import read_notification_policy
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.notification import Notifications
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_POLICY = """
kind: notifications
version: 1.0.0
channels: {log: {kind: log}, duty: {kind: log}, end: {kind: log}}
routes:
  - {channels: [log], events: [opened]}
  - {channels: [duty], events: [opened], severities: [high, critical]}
  - {channels: [end], events: [resolved]}
"""


@pytest.fixture
def store(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    from groundwork.operators import connections

    migrate(database.engine)
    monkeypatch.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", database.url.replace("postgresql+psycopg", "postgres"))
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    policy = tmp_path / "governance" / "policies" / "notifications.yaml"
    policy.parent.mkdir(parents=True)
    policy.write_text(_POLICY, encoding="utf-8")
    connections.engine.cache_clear()
    yield database.engine
    connections.engine.cache_clear()


def _told(store: Engine, subject: str) -> list[tuple[str, str, str, str]]:
    rows = Notifications(store).of_subject(subject)
    return [(row["channel"], row["event"], row["message"]["severity"], row["state"]) for row in rows]


def test_a_mistyped_channel_is_refused_with_the_one_that_was_meant(store: Engine, tmp_path: Path) -> None:
    policy = read_notification_policy(tmp_path / "governance" / "policies")
    with pytest.raises(ConfigError, match="next: did you mean `duty`"):
        try_channel("dtuy", policy)


def test_each_rise_is_told_once_to_those_whom_it_concerns_now(store: Engine) -> None:
    incidents = Incidents(store)
    report = EscalationReport(
        domain="shop", issue_type="connection_failures", business_impact="b", attempted_solutions=(),
        specialist_recommendations=(), cross_domain_impact="c", recommended_action=Answer.RETRY,
        urgency_level=Urgency.LOW,
    )  # fmt: skip
    opening = Opening(
        cause="target:connection_failures:shop",
        fault_class="connection_failures",
        report=report,
        assessment=Assessment(severity=Severity.LOW),
        what="third",
        at=utc_now(),
        task_try=TaskTry(dag_id="load", run_id="r", task_id="t", try_number=3),
    )
    opened = incidents.open(opening).id
    subject = str(opened)
    incidents.raise_severity(opened, Severity.MEDIUM, "2 Dags")
    assert send_again() == [], "its opening was not told yet, and tells the severity"
    notify(subject, "opened")
    assert _told(store, subject) == [("log", "opened", "medium", "sent")]
    assert send_again() == []

    incidents.raise_severity(opened, Severity.HIGH, "4 Dags")
    assert [(each.channel, each.event) for each in send_again()] == [
        ("log", "severity_raised"),
        ("duty", "severity_raised"),
    ]
    assert send_again() == []
    incidents.raise_severity(opened, Severity.CRITICAL, "40 Dags")
    assert len(send_again()) == 2
    assert _told(store, subject)[1:] == [
        ("log", "severity_raised", "high", "sent"),
        ("duty", "severity_raised", "high", "sent"),
        ("log", "severity_raised", "critical", "sent"),
        ("duty", "severity_raised", "critical", "sent"),
    ]
    row = incidents.get(opened)
    assert "told duty: severity_raised to critical" in json.dumps(row["timeline"])
    text = Notifications(store).of_subject(subject)[-1]["message"]["text"]
    assert text.startswith("Severity critical now: 40 Dags")
