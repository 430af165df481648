"""While the store is away people are told all the same: once an hour per cause, past the store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from groundwork.model.fault import Circumstances, Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.operators import connections
from groundwork.operators.incidents.incident_notifier import IncidentNotifier
from groundwork.operators.incidents.notify_without_store import tell_without_store
from groundwork.operators.retry_policy import StrikePolicy
from groundwork.orbt.patterns import Pattern, read_patterns
from groundwork.store.base import utc_now
from tests.operators.fix_channels import Inbox
from tests.operators.test_notify import failed_context

pytestmark = pytest.mark.airflow
PROJECT = Path(__file__).parents[2]
_POLICY = """
kind: notifications
version: 1.0.0
channels: {bus: {kind: webhook, connection: bus}}
routes: [{channels: [bus]}]
"""


@pytest.fixture
def pattern(tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Pattern:
    policies = tmp_path / "governance" / "policies"
    policies.mkdir(parents=True)
    (policies / "notifications.yaml").write_text(_POLICY)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    bus = {"conn_type": "http", "host": "127.0.0.1", "schema": "http", "port": inbox.port, "password": "key-of-the-bus"}
    monkeypatch.setenv("AIRFLOW_CONN_BUS", json.dumps(bus))
    return read_patterns(PROJECT / "governance" / "patterns").named("connection_failures")


def strike(task_id: str, target: str = "groundwork_store") -> Strike:
    return Strike(
        task_try=TaskTry(dag_id="load", run_id="r1", task_id=task_id, try_number=3),
        fault=Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="refused"),
        impact=Impact(domain="market"),
        number=3,
        action=StrikeAction.ASK_PERSON,
        reason="strike 3 of 3",
        at=utc_now(),
        circumstances=Circumstances(target=target),
    )


def test_forty_tasks_of_one_dead_database_are_told_once(pattern: Pattern, inbox: Inbox, tmp_path: Path) -> None:
    told = [tell_without_store(strike(f"t{number}"), pattern, tmp_path) for number in range(40)]
    assert [len(each) for each in told] == [1] + [0] * 39
    (request,) = inbox.requests
    assert request.json["event"] == "opened"
    assert "Groundwork's store does not answer" in request.json["text"]
    tell_without_store(strike("t1", target="warehouse"), pattern, tmp_path)
    assert len(inbox.requests) == 2


def test_what_no_channel_took_is_told_with_the_next_failure(pattern: Pattern, inbox: Inbox, tmp_path: Path) -> None:
    inbox.status = 500
    assert [each.state for each in tell_without_store(strike("a"), pattern, tmp_path)] == ["failed"]
    inbox.status = 200
    assert [each.state for each in tell_without_store(strike("b"), pattern, tmp_path)] == ["sent"]
    assert tell_without_store(strike("c"), pattern, tmp_path) == []


def test_a_home_that_cannot_be_written_keeps_nobody_from_being_told(
    pattern: Pattern, inbox: Inbox, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "told").write_text("not a folder")
    assert [each.state for each in tell_without_store(strike("a"), pattern, home)] == ["sent"]
    assert len(inbox.requests) == 1


def test_the_notifier_of_airflow_tells_without_the_store(
    pattern: Pattern, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", "postgres://nobody:hunter22@127.0.0.1:1/none")
    connections.engine.cache_clear()
    IncidentNotifier(domain="market").notify(failed_context("prices"))
    connections.engine.cache_clear()
    (request,) = inbox.requests
    assert (request.json["event"], request.json["title"]) == ("task_failed", "Failed: load / prices")
    assert "hunter22" not in request.body.decode()


def test_the_strike_policy_tells_when_it_asks_a_person_and_cannot_keep_it(
    pattern: Pattern, inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(PROJECT / "governance" / "patterns", tmp_path / "governance" / "patterns")
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    for name in ("GROUNDWORK_STORE", "WAREHOUSE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", "postgres://nobody:hunter22@127.0.0.1:1/none")
    connections.engine.cache_clear()
    task = SimpleNamespace(
        outlets=[], retry_policy=StrikePolicy(), has_retry_policy=True, get_flat_relative_ids=lambda upstream: set()
    )
    for task_id in ("prices", "orders"):
        instance: Any = SimpleNamespace(
            dag_id="load", run_id="r 1", task_id=task_id, map_index=-1, try_number=3, state="failed", task=task
        )
        response = StrikePolicy().respond(KeyError("no such setting"), instance, has_try_left=False)
        assert response.is_spooled
    connections.engine.cache_clear()
    assert [request.json["title"] for request in inbox.requests] == [
        f"Needs a decision, and the store is away: programming_error at load / {task_id}"
        for task_id in ("prices", "orders")
    ]
