"""The scan as a task: each finding opens one incident, is told once, and is not opened again after it was closed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from groundwork.model.errors import RetriableError
from groundwork.model.policy import Effect, PolicyVerdict
from groundwork.operators.incidents.alarms import scan_alarms
from groundwork.operators.incidents.notify import notify
from groundwork.operators.lineage_ship import ship_lineage
from groundwork.store.alarm import Alarms
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.notification import Notifications
from groundwork.store.policy_verdict import PolicyVerdicts
from groundwork.transform.lineage_outbox import Outbox
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
POLICIES = Path(__file__).parents[2] / "governance" / "policies"


@pytest.fixture
def store(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    from groundwork.operators import connections

    migrate(database.engine)
    shutil.copytree(POLICIES, tmp_path / "governance" / "policies")
    monkeypatch.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", database.url.replace("postgresql+psycopg", "postgres"))
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    connections.engine.cache_clear()
    yield database.engine
    connections.engine("groundwork_store").dispose()
    connections.engine.cache_clear()


def judged(store: Engine, run_id: str) -> None:
    verdict = PolicyVerdict(
        policy="masking",
        policy_version="1",
        rule="leak",
        subject="market.orders.buyer",
        passed=False,
        effect=Effect.BLOCK,
        expected="masked",
        found="in clear",
        details={},
    )
    PolicyVerdicts(store).record(run_id, "market", "verify_access", [verdict])


def test_a_finding_opens_one_incident_and_is_told_once(store: Engine) -> None:
    judged(store, "run 1")
    assert scan_alarms() == {"found": 1, "new": 1, "incidents_opened": 1, "rules_that_failed": []}
    assert scan_alarms()["new"] == 0
    (incident,) = Incidents(store).latest()
    assert (incident["state"], incident["severity"], incident["domain"]) == ("open", "critical", "market")
    assert incident["report"]["urgency_level"] == "critical"
    assert incident["report"]["issue_type"] == "breach"
    assert incident["cause"] == "alarm:masked_data_leaks:market: market.orders.buyer"
    assert "in clear" in incident["evidence"][0]["content"]
    assert [each.is_new for each in notify(str(incident["id"]), "opened")] == [False]  # as its escalation does
    told = Notifications(store).of_subject(str(incident["id"]))
    assert [(row["event"], row["channel"], row["state"]) for row in told] == [("alarm", "log", "sent")]
    assert "alarm_raised" in {row["action"] for row in AuditTrail(store).latest()}


def test_what_a_person_closed_comes_back_with_new_evidence_only(store: Engine) -> None:
    judged(store, "run 1")
    scan_alarms()
    judged(store, "run 2")
    assert scan_alarms() == {"found": 1, "new": 1, "incidents_opened": 0, "rules_that_failed": []}
    (incident,) = Incidents(store).latest()
    assert len(incident["evidence"]) == 2
    Incidents(store).resolve(incident["id"], "mended", "person:ann")
    assert scan_alarms()["new"] == 0
    judged(store, "run 3")
    assert scan_alarms()["incidents_opened"] == 1
    assert [row["evidence"] for row in Alarms(store).latest()] == ["run run 3", "run run 2", "run run 1"]


def test_lineage_that_reaches_nobody_for_half_an_hour_is_an_alarm(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW_CONN_LINEAGE_BACKEND", "http://127.0.0.1:1")
    outbox = Outbox.of(tmp_path / "home")
    outbox.path.parent.mkdir(parents=True)
    outbox.path.write_text('{"number": 1}\n', encoding="utf-8")
    for _ in range(6):
        assert scan_alarms()["found"] == 0
        with pytest.raises(RetriableError):
            ship_lineage()
    assert scan_alarms()["incidents_opened"] == 1
    (incident,) = Incidents(store).latest()
    assert (incident["fault_class"], incident["subject"]) == ("failed_sharing", "lineage: lineage_backend")
