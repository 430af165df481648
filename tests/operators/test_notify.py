"""What people are told reaches them over real protocols, once, and a channel that fails holds up nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, EscalationReport, TaskTry, Urgency
from groundwork.model.incident import Assessment, Opening, Severity
from groundwork.operators.incidents.channels import KEY_HEADER, SIGNATURE_HEADER
from groundwork.operators.incidents.incident_notifier import IncidentNotifier
from groundwork.operators.incidents.notify import Delivery, notify, send_again, try_channel
from groundwork.orbt.incidents.notifications import read_notification_policy
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.notification import MOST_TRIES, NOTIFICATION, Notifications
from tests.fix_postgres import Database
from tests.operators.fix_channels import Inbox, Mails
from tests.operators.fix_escalation import failed_task

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_SECRET = "T000/B000/hooksecret123"
_ALL = "[opened, escalated, answered, resolved]"
_FAILED = TaskTry(dag_id="load", run_id="r 1", task_id="prices", try_number=3)
Policy = Callable[[str, str], Path]


@pytest.fixture
def store(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    from groundwork.operators import connections

    migrate(database.engine)
    monkeypatch.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", database.url.replace("postgresql+psycopg", "postgres"))
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    connections.engine.cache_clear()
    yield database.engine
    connections.engine("groundwork_store").dispose()
    connections.engine.cache_clear()


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    """Writes the policy from its channels and routes."""

    def write(channels: str, routes: str) -> Path:
        path = tmp_path / "governance" / "policies" / "notifications.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"kind: notifications\nversion: 1.0.0\nchannels: {channels}\nroutes: {routes}\n")
        return path.parent

    return write


@pytest.fixture
def incident_id(store: Engine) -> str:
    report = EscalationReport(
        domain="market",
        issue_type="connection_failures",
        business_impact="Run r 1 stopped; <!channel> {{ 7*7 }} & <b>more</b>",
        attempted_solutions=("strike 1: reset_connections",),
        specialist_recommendations=("Is the server up?",),
        cross_domain_impact="None known.",
        recommended_action=Answer.RETRY,
        urgency_level=Urgency.CRITICAL,
    )
    opening = Opening(
        cause="target:connection_failures:warehouse",
        fault_class="connection_failures",
        report=report,
        assessment=Assessment(severity=Severity.HIGH, owners=("ann",)),
        what="strike 3 of 3",
        at=utc_now(),
        task_try=_FAILED,
    )
    return str(Incidents(store).open(opening).id)


def connect(monkeypatch: pytest.MonkeyPatch, name: str, **values: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(values))


def to_webhook(monkeypatch: pytest.MonkeyPatch, inbox: Inbox) -> str:
    extra = {"endpoint": "/in"}
    connect(
        monkeypatch, "bus", conn_type="http", host="127.0.0.1", schema="http", port=inbox.port,
        password="signing-secret", extra=extra,
    )  # fmt: skip
    return "{bus: {kind: webhook, connection: bus}}"


def states(deliveries: list[Delivery]) -> list[tuple[str, str, bool]]:
    return [(each.channel, each.state, each.is_new) for each in deliveries]


def timeline(store: Engine, incident_id: str) -> str:
    return "\n".join(line["what"] for line in Incidents(store).get(uuid.UUID(incident_id))["timeline"])


def make_due(store: Engine) -> None:
    with store.begin() as connection:
        connection.execute(NOTIFICATION.update().values(due_at=utc_now() - timedelta(seconds=1)))


def test_a_webhook_gets_signed_json_once(
    store: Engine, policy: Policy, incident_id: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(to_webhook(monkeypatch, inbox), "[{channels: [bus]}]")
    assert states(notify(incident_id, "opened")) == [("bus", "sent", True)]
    assert states(notify(incident_id, "opened")) == [("bus", "sent", False)]
    (request,) = inbox.requests
    assert request.path == "/in"
    assert "Authorization" not in request.headers
    assert b"signing-secret" not in request.body
    at, given = (part.partition("=")[2] for part in request.headers[SIGNATURE_HEADER].split(","))
    expected = hmac.new(b"signing-secret", f"{at}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert given == expected
    assert request.json["facts"]["report"]["issue_type"] == "connection_failures"
    assert request.json["facts"]["owners"] == ["ann"]
    assert request.json["key"] == request.headers[KEY_HEADER] == f"groundwork/{incident_id}/opened/0"
    assert "told bus: opened; HTTP 200" in timeline(store, incident_id)


def test_slack_gets_text_in_which_errors_mention_nobody(
    store: Engine, policy: Policy, incident_id: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("{team: {kind: slack, connection: hook}}", "[{channels: [team]}]")
    connect(
        monkeypatch, "hook", conn_type="slackwebhook", host=f"http://127.0.0.1:{inbox.port}/services", password=_SECRET
    )
    assert states(notify(incident_id, "opened")) == [("team", "sent", True)]
    (request,) = inbox.requests
    assert request.path == f"/services/{_SECRET}"
    text = request.json["text"]
    assert text.startswith("*Needs a decision: connection_failures at load / prices (critical)*")
    assert "&lt;!channel&gt; {{ 7*7 }} &amp;" in text


def test_a_mail_is_escaped_and_one_thread_per_incident(
    store: Engine, policy: Policy, incident_id: str, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("{mail: {kind: smtp, connection: post, to: [a@example.com], sender: g@example.com}}", "[{channels: [mail]}]")
    extra = {"disable_ssl": True, "disable_tls": True}
    connect(monkeypatch, "post", conn_type="smtp", host="127.0.0.1", port=mails.port, extra=extra)
    for level in (1, 2, 2):
        notify(incident_id, "escalated", level=level)
    assert mails.recipients == ["a@example.com"] * 2
    first, second = mails.taken
    assert str(first["Subject"]).startswith("Still waits for a decision: connection_failures")
    body = first.get_body()
    assert body is not None
    assert "&lt;b&gt;more&lt;/b&gt;" in body.get_content()
    assert "{{ 7*7 }}" in body.get_content()
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]


def test_pagerduty_opens_acknowledges_and_resolves_one_alert(
    store: Engine, policy: Policy, incident_id: str, pager: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("{duty: {kind: pagerduty, connection: duty}}", f"[{{channels: [duty], events: {_ALL}}}]")
    connect(
        monkeypatch, "duty", conn_type="pagerduty_events", host=f"https://127.0.0.1:{pager.port}", password="k" * 32
    )
    for event in ("opened", "answered", "resolved"):
        assert states(notify(incident_id, event)) == [("duty", "sent", True)]
    sent = [request.json for request in pager.requests]
    assert [each["event_action"] for each in sent] == ["trigger", "acknowledge", "resolve"]
    assert {each["dedup_key"] for each in sent} == {f"groundwork/{incident_id}"}
    assert {each["routing_key"] for each in sent} == {"k" * 32}
    assert (sent[0]["payload"]["severity"], sent[0]["payload"]["component"]) == ("critical", "market")


def test_a_failing_channel_holds_up_no_other_and_is_tried_again(
    store: Engine, policy: Policy, incident_id: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = to_webhook(monkeypatch, inbox)[:-1] + ", log: {kind: log}}"
    policy(channels, "[{channels: [bus, log]}]")
    inbox.status, inbox.answer = 503, "password=signing-secret and away"
    assert states(notify(incident_id, "opened")) == [("bus", "failed", True), ("log", "sent", True)]
    told = timeline(store, incident_id)
    assert "could not tell bus: opened; ConnectionError: HTTP 503" in told
    assert "signing-secret" not in told
    assert send_again() == []
    inbox.status = 200
    make_due(store)
    assert states(send_again()) == [("bus", "sent", True)]
    make_due(store)
    assert send_again() == []
    assert len(inbox.requests) == 2


def test_what_never_works_is_given_up_and_told_twice_not_ten_times(
    store: Engine, policy: Policy, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("{team: {kind: slack, connection: nowhere}}", "[{channels: [team]}]")
    notify(incident_id, "opened")
    for _ in range(MOST_TRIES + 2):
        make_due(store)
        send_again()
    (row,) = Notifications(store).of_subject(incident_id)
    assert (row["state"], row["tries"]) == ("given_up", MOST_TRIES)
    assert timeline(store, incident_id).count("could not tell team") == 2
    assert "given up after 10 tries" in timeline(store, incident_id)


def test_many_at_once_tell_once(
    store: Engine, policy: Policy, incident_id: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(to_webhook(monkeypatch, inbox), "[{channels: [bus]}]")
    threads = [threading.Thread(target=notify, args=(incident_id, "opened")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inbox.requests) == 1


def test_a_sender_that_died_is_followed_by_another_after_its_lease(
    store: Engine, policy: Policy, incident_id: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(to_webhook(monkeypatch, inbox), "[{channels: [bus]}]")
    book, now = Notifications(store), utc_now()
    notify(incident_id, "opened", channels=())
    with store.begin() as connection:  # as it stands when the process is killed while it sends
        connection.execute(
            NOTIFICATION.update().values(state="sending", sent_at=None, due_at=now + timedelta(minutes=5))
        )
    assert send_again() == []
    assert book.due(now + timedelta(minutes=6))
    make_due(store)
    assert states(send_again()) == [("bus", "sent", True)]


def test_a_missing_package_is_that_channels_failure_only(
    store: Engine, policy: Policy, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("{team: {kind: slack, connection: hook}, log: {kind: log}}", "[{channels: [team, log]}]")
    monkeypatch.setitem(sys.modules, "airflow.providers.slack.notifications.slack_webhook", None)
    team, log = notify(incident_id, "opened")
    assert (team.state, log.state) == ("failed", "sent")
    assert "pip install 'groundwork[notify]'" in team.answer


def test_a_broken_policy_tells_the_log_and_the_timeline(store: Engine, policy: Policy, incident_id: str) -> None:
    policy("{team: {kind: slack}}", "[]")
    assert states(notify(incident_id, "opened")) == [("log", "sent", True)]
    assert "the policy of notifications cannot be read" in timeline(store, incident_id)


def test_routes_choose_by_domain_urgency_event_and_level(store: Engine, policy: Policy, incident_id: str) -> None:
    policy(
        "{a: {kind: log}, b: {kind: log}, c: {kind: log}, d: {kind: log}}",
        "[{channels: [a], domains: [market]}, {channels: [b], urgencies: [low]}, "
        "{channels: [c, a], severities: [high], events: [opened]}, {channels: [d], min_level: 2}]",
    )
    assert [each.channel for each in notify(incident_id, "opened")] == ["a", "c"]
    assert [each.channel for each in notify(incident_id, "escalated", level=2)] == ["a", "d"]
    assert [each.channel for each in notify(incident_id, "resolved", channels=("b",))] == ["a", "b"]


def test_a_route_of_an_owner_takes_what_is_theirs(store: Engine, policy: Policy) -> None:
    policy("{a: {kind: log}, b: {kind: log}}", "[{channels: [a], owners: [finance]}, {channels: [b], owners: [other]}]")
    task = failed_task(owner="finance, airflow")
    task.task.retry_policy.respond(KeyError("x"), task, has_try_left=False)
    (row,) = Incidents(store).latest()
    assert row["assessment"]["owners"] == ["finance"]
    assert [each.channel for each in notify(str(row["id"]), "opened")] == ["a"]


@pytest.mark.parametrize(
    ("channels", "routes", "words"),
    [
        ("{a: {kind: slack}}", "[]", "names its Airflow `connection`"),
        ("{a: {kind: smtp, connection: c}}", "[]", "says whom the mail goes"),
        ("{a: {kind: log}}", "[{channels: [b]}]", "no channel is called b"),
        ("{a: {kind: pagerduty, connection: c}}", "[{channels: [a], events: [daily_report]}]", "wakes nobody"),
        ("{a: {kind: log, password: x}}", "[]", "this key is not known"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(policy: Policy, channels: str, routes: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_notification_policy(policy(channels, routes))


def test_the_policy_of_the_project_can_be_read() -> None:
    found = read_notification_policy(Path(__file__).parents[2] / "governance" / "policies")
    assert "log" in found.channels


@pytest.mark.parametrize(
    ("incident", "event"), [("nonsense", "opened"), ("00000000-0000-4000-8000-000000000000", "opened"), ("", "x")]
)
def test_bad_input_is_refused(store: Engine, incident: str, event: str) -> None:
    with pytest.raises(ConfigError):
        notify(incident, event)


def test_a_test_message_tells_what_came_back(
    store: Engine, policy: Policy, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_notification_policy(policy(to_webhook(monkeypatch, inbox), "[]"))
    assert try_channel("bus", read) == "HTTP 200"
    inbox.status = 500
    with pytest.raises(ConfigError, match="did not take the message"):
        try_channel("bus", read)
    with pytest.raises(ConfigError, match="no such channel"):
        try_channel("nobody", read)


def failed_context(task_id: str) -> Any:
    instance = SimpleNamespace(dag_id="load", run_id="r 1", task_id=task_id, map_index=-1, try_number=3)
    return {"ti": instance, "exception": ValueError("password=hunter22 is wrong")}


def test_the_notifier_of_airflow_tells_of_the_incident_or_of_the_failure(
    store: Engine, policy: Policy, incident_id: str, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy(to_webhook(monkeypatch, inbox), "[{channels: [bus]}]")
    notifier = IncidentNotifier(domain="market")
    notifier.notify(failed_context("prices"))
    notifier.notify(failed_context("other"))
    notifier.notify(failed_context("other"))
    first, second = (request.json for request in inbox.requests)
    assert (first["event"], first["subject"]) == ("opened", incident_id)
    assert (second["event"], second["title"]) == ("task_failed", "Failed: load / other")
    assert "hunter22" not in second["text"]
