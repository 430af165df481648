"""Comments, incidents that are opened again and those that happened before, on the page; and what Airflow lets whom."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine

from groundwork.model.fault import Answer
from groundwork.model.incident import Severity
from groundwork.operators.incidents.asking_again import ask_again
from groundwork.operators.incidents.escalation_run import run_id_of
from groundwork.pages import render
from groundwork.pages.incidents_page import MOST_EARLIER, collect_incident
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.pages import seed
from tests.pages.fix_server import Server

pytestmark = pytest.mark.postgres
HOSTILE = "<script>alert('x')</script>"
_DAG = """
from airflow.sdk import DAG, task

with DAG("escalation", schedule=None):

    @task
    def ask():
        pass

    ask()
"""


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def shown(store: Engine, known: uuid.UUID, *, can_act: bool = True) -> str:
    page = collect_incident(store, str(known), lambda _: True, can_act=can_act)
    assert page is not None
    return render.page("incident.html", base="/groundwork", version="1", domain_names=("market",), page=page)


def test_what_cannot_be_taken_back_asks_twice_and_the_rest_does_not(store: Engine) -> None:
    known = seed.incident(store)
    every = [answer.value for answer in Answer]
    Incidents(store).progress(known, "offered", {"answers": every, "remedies": ["analyze_tables"]})
    page = collect_incident(store, str(known), lambda _: True, can_act=True)
    assert page is not None
    assert {each.name for each in page.answers if each.asks_twice} == {"run_remedy", "skip", "mark_resolved"}
    made = shown(store, known)
    forms = {name: _form(made, f'name="answer" value="{name}"') for name in every}
    for name, form in forms.items():
        is_hidden = "<details" in form and form.index("<details") < form.index('type="submit"') < form.index(
            "</details>"
        )
        assert is_hidden is (name in {"run_remedy", "skip", "mark_resolved"}), name
        assert form.count('type="submit"') == 1, "no other button, which Enter would press"
    Incidents(store).answer(known, Answer.RETRY, "person:ann")
    assert "<details" in _form(shown(store, known), 'value="resolve"')
    Incidents(store).resolve(known, "mended", "orbt")
    assert "<details" in _form(shown(store, known), 'value="reopen"')


def _form(made: str, part: str) -> str:
    at = made.index(part)
    return made[made.rindex("<form", 0, at) : made.index("</form>", at)]


def test_a_comment_is_text(store: Engine) -> None:
    known = seed.incident(store)
    Incidents(store).comment(known, f"see `df -h`\n{HOSTILE}", "person:ann")
    made = shown(store, known)
    assert "comment: see <code>df -h</code>\n&lt;script&gt;" in made
    assert HOSTILE not in made


def test_what_happened_before_is_shown_with_how_it_ended(store: Engine) -> None:
    incidents = Incidents(store)
    assert "Happened before" not in shown(store, seed.incident(store, "slow_queries"))
    known = []
    for _ in range(MOST_EARLIER + 2):
        known.append(seed.incident(store))
        incidents.answer(known[-1], Answer.RETRY, "person:ann")
        incidents.resolve(known[-1], f"mended {HOSTILE}", "orbt")
    last = seed.incident(store)
    made = shown(store, last)
    assert made.count("mended &lt;script&gt;") == MOST_EARLIER
    assert "retry by person:ann" in made
    assert f'href="/groundwork/ui/incidents/{known[-1]}"' in made
    assert str(known[0]) not in made
    assert "and older ones" in made


def test_of_earlier_ones_only_those_are_shown_that_somebody_may_see(store: Engine) -> None:
    incidents, first = Incidents(store), seed.incident(store)
    incidents.resolve(first, "mended", "orbt")
    seed.alike_incidents(store, 2, affected=[])
    last = next(row for row in incidents.latest() if not row["affected"])
    with store.begin() as connection:
        from groundwork.store.incident_table import INCIDENT

        same = INCIDENT.update().where(INCIDENT.c.id == first).values(cause=last["cause"])
        connection.execute(same)
    page = collect_incident(store, str(last["id"]), lambda _: False, can_act=True)
    assert page is not None
    assert page.earlier == ()
    page = collect_incident(store, str(last["id"]), lambda _: True, can_act=True)
    assert page is not None
    assert [each.id for each in page.earlier] == [str(first)]


@pytest.fixture
def asked(airflow_server: Server) -> Iterator[uuid.UUID]:
    """An incident whose run of the Dag `escalation` has ended; it is resolved before and after the test."""
    (airflow_server.home / "dags" / "escalation.py").write_text(_DAG)
    airflow_server.airflow("dags", "reserialize")
    known = seed.incident(airflow_server.store, "disk_full", Severity.CRITICAL)
    Incidents(airflow_server.store).resolve(known, "mended", "orbt")
    with airflow_server.client("admin") as client:
        made = client.post(
            "/api/v2/dags/escalation/dagRuns", json={"dag_run_id": run_id_of(known), "logical_date": None}
        )
        assert made.status_code == 200, made.text
        _end_run(client, known)
    yield known
    Incidents(airflow_server.store).resolve(known, "the test is over", "test")


def _path(known: uuid.UUID) -> str:
    return f"/api/v2/dags/escalation/dagRuns/{run_id_of(known)}"


def _end_run(client: httpx.Client, known: uuid.UUID) -> None:
    ended = client.patch(_path(known), json={"state": "success"})
    assert ended.status_code == 200, ended.text


def _state(client: httpx.Client, known: uuid.UUID) -> str:
    state: str = client.get(_path(known)).raise_for_status().json()["state"]
    return state


@pytest.mark.airflow
@pytest.mark.slow
def test_who_may_comment_and_open_again_in_airflow(airflow_server: Server, asked: uuid.UUID) -> None:
    store, path = airflow_server.store, f"/groundwork/ui/incidents/{asked}"
    reopening, comment = {"action": "reopen", "because": "too early"}, {"action": "comment", "comment": "the disk"}
    with airflow_server.client("viewer") as viewer:
        assert [viewer.post(path, data=each).status_code for each in (reopening, comment)] == [403, 403]
    with airflow_server.client("outsider") as outsider:
        assert outsider.post(path, data=comment).status_code == 403
    assert Incidents(store).get(asked)["state"] == "resolved"
    with airflow_server.client("user") as user:
        assert user.post(path, data={"action": "reopen", "because": " "}).status_code == 400
        assert user.post(path, data={"action": "comment", "comment": "x" * 2001}).status_code == 400
        assert user.post(path, data={"action": "comment", "comment": "x" * 20_001}).status_code == 422
        assert _told(user.post(path, data=comment)).endswith(f"{asked}?told=commented")
        assert _told(user.post(path, data=comment)).endswith("late")
        assert _told(user.post(path, data=reopening)).endswith(f"{asked}?told=reopened")
        assert _told(user.post(path, data=reopening)).endswith(f"{asked}?told=late")
        assert "Airflow asks anew" in user.get(f"{path}?told=reopened").text
        assert _state(user, asked) == "queued", "the run that had ended asks again"
        assert _told(user.post(path, data={"action": "resolve", "because": "now it is"})).endswith("resolved")
        other = seed.incident(store, "disk_full")
        assert _told(user.post(path, data=reopening)).endswith(f"{other}?told=same_cause")
    Incidents(store).resolve(other, "the test is over", "test")
    events = [row for row in AuditTrail(store).latest() if row["details"].get("incident_id") == str(asked)]
    told = [(row["action"], row["actor"]) for row in events]
    for action in ("incident_commented", "incident_reopened"):
        assert told.count((action, "person:user")) == 1


@pytest.mark.airflow
@pytest.mark.slow
def test_by_the_api_airflow_asks_again(
    airflow_server: Server, asked: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", airflow_server.api_connection("user"))
    with airflow_server.client("user") as user:
        assert _state(user, asked) == "success"
        ask_again(asked)
        assert _state(user, asked) == "queued"
        ask_again(asked)
        never = uuid.uuid4()
        ask_again(never)
        assert _state(user, never) == "queued", "nobody had been asked: the run is started"


def _told(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]
