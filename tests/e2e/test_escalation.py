"""Three strikes in a running Airflow: a person is asked, answers, and the answer is carried out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.incident_table import INCIDENT
from groundwork.store.strike import Strikes
from tests.e2e.fix_workshop import Workshop, wait
from tests.fix_stack import ANSWER_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_READING_SECONDS = 4.0  # nobody answers faster, and Airflow can lose an answer that is
_FRAGILE = """
from datetime import timedelta
from pathlib import Path
from airflow.sdk import DAG, task
from groundwork.operators.retry_policy import RETRIES, StrikePolicy

with DAG("fragile", schedule=None, is_paused_upon_creation=False,
         default_args={"retries": RETRIES, "retry_delay": timedelta(seconds=1), "retry_policy": StrikePolicy()}):

    @task
    def before() -> None:
        with Path("FOLDER/before").open("a") as log:
            log.write("x")

    @task
    def source() -> None:
        if not Path("FOLDER/mended").exists():
            raise ConnectionResetError("the source hung up")

    @task
    def after() -> None:
        pass

    before() >> source() >> after()
"""


@pytest.fixture(scope="module", autouse=True)
def dags(workshop: Workshop) -> Iterator[None]:
    """The Dag that asks, and one that fails until its source is mended."""
    with workshop.dag_files("escalation.py", fragile=_FRAGILE.replace("FOLDER", str(workshop.project))):
        wait(lambda: workshop.is_active("escalation"), "the Dag that asks")
        workshop.pause("escalation_sweep")
        yield


def _fail(workshop: Workshop) -> tuple[str, str]:
    """Run the fragile Dag into its third strike; its run and the open incident.

    From the fourth run on a person is asked at the first strike: the pattern calls it persistent.
    """
    run_id = workshop.start("fragile")

    def incident_of_run() -> list[Any]:
        found = Incidents(workshop.store).latest("open")
        return [each for each in found if each["affected"][0]["run_id"] == run_id]

    (incident,) = wait(incident_of_run, "the incident")
    wait(lambda: workshop.tasks("fragile", run_id)["source"] == "failed", "the last strike")
    return run_id, str(incident["id"])


def _answer(workshop: Workshop, incident_id: str, option: str) -> dict[str, Any]:
    """Answer the request of an incident; the request as it was shown."""
    place = ("escalation", f"incident__{incident_id}", "ask")
    wait(lambda: workshop.client.get(f"/dags/escalation/dagRuns/{place[1]}").is_success, "the escalation")
    shown = workshop.question(*place)
    workshop.answer(*place, option)
    wait(lambda: _state(workshop, incident_id)[0] != "open", "the recording of the answer")
    return shown


def _state(workshop: Workshop, incident_id: str) -> tuple[str, str | None]:
    row = next(each for each in Incidents(workshop.store).latest() if str(each["id"]) == incident_id)
    return row["state"], row["answer"]


@contextmanager
def _without_connection(workshop: Workshop, name: str) -> Iterator[None]:
    """Take an Airflow connection away for a while."""
    path = workshop.stack.layout.connections
    before = path.read_text(encoding="utf-8")
    left = {key: value for key, value in json.loads(before).items() if key != name}
    path.write_text(json.dumps(left), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


def _retried(workshop: Workshop) -> str:
    """A run whose source failed three times, after a person has answered `retry`; what its first task wrote."""
    mended, before = workshop.project / "mended", workshop.project / "before"
    mended.unlink(missing_ok=True)
    before.unlink(missing_ok=True)
    run_id, incident_id = _fail(workshop)
    mended.touch()
    shown = _answer(workshop, incident_id, "retry")
    assert shown["options"][0] == "retry", "the recommended answer comes first"
    assert {"run_remedy", "mark_resolved", "silence", "ignore"} < set(shown["options"])
    assert set(shown["params"]) == {"remedy", "hours"}
    assert "connection_failures" in shown["subject"]
    assert "the source hung up" in shown["body"]

    wait(lambda: _state(workshop, incident_id) == ("resolved", "retry"), "healing")
    wait(lambda: workshop.tasks("fragile", run_id)["after"] == "success", "the end of the run")
    assert workshop.attempts("fragile", run_id)["source"] == ("success", 4)
    trail = AuditTrail(workshop.store).latest()
    actions = [row["action"] for row in trail if row["details"].get("incident_id") == incident_id]
    assert sorted(actions) == ["incident_answered", "incident_opened"]
    assert [row["number"] for row in Strikes(workshop.store).latest(3)] == [3, 2, 1]
    return before.read_text(encoding="utf-8")


def test_retry_by_the_rest_api_spares_what_was_done(workshop: Workshop) -> None:
    assert _retried(workshop) == "x"


def test_retry_without_the_rest_api_runs_all_again(workshop: Workshop) -> None:
    with _without_connection(workshop, "airflow_api"):
        assert _retried(workshop) == "xx"


def test_ignore_runs_nothing(workshop: Workshop) -> None:
    (workshop.project / "mended").unlink(missing_ok=True)
    run_id, incident_id = _fail(workshop)
    _answer(workshop, incident_id, "ignore")
    wait(lambda: _state(workshop, incident_id) == ("resolved", "ignore"), "closing")
    assert workshop.attempts("fragile", run_id)["source"] == ("failed", 3)


def _asked(workshop: Workshop) -> tuple[str, str]:
    """A failed run and its incident, once Airflow asks about it and a person has had time to read."""
    (workshop.project / "mended").unlink(missing_ok=True)
    run_id, incident_id = _fail(workshop)
    place = ("escalation", f"incident__{incident_id}", "ask")
    wait(lambda: workshop.client.get(f"/dags/escalation/dagRuns/{place[1]}").is_success, "the escalation")
    workshop.question(*place)
    time.sleep(_READING_SECONDS)
    return run_id, incident_id


def test_skip_lets_what_waits_go_on(workshop: Workshop) -> None:
    run_id, incident_id = _asked(workshop)
    _, tries = workshop.attempts("fragile", run_id)["source"]
    _answer(workshop, incident_id, "skip")
    wait(lambda: _state(workshop, incident_id) == ("resolved", "skip"), "closing")
    wait(lambda: workshop.tasks("fragile", run_id)["after"] == "success", "what waits")
    assert workshop.attempts("fragile", run_id)["source"] == ("success", tries), "it did not run again"


def test_an_answer_on_the_command_line_ends_the_request_in_airflow(workshop: Workshop) -> None:
    run_id, incident_id = _asked(workshop)
    (workshop.project / "mended").touch()
    told = workshop.stack.command("incidents", "answer", incident_id, "run_remedy", "--remedy", "refresh_credentials")
    assert told.returncode == 0, told.stderr
    assert "the waiting task goes on" in told.stdout
    wait(lambda: workshop.ended("escalation", f"incident__{incident_id}") == "success", "the end of the request")
    wait(lambda: _state(workshop, incident_id) == ("resolved", "run_remedy"), "healing")
    wait(lambda: workshop.tasks("fragile", run_id)["after"] == "success", "the end of the run")
    row = next(each for each in Incidents(workshop.store).latest() if str(each["id"]) == incident_id)
    assert row["answered_by"].startswith("cli:")
    assert row["progress"]["remedy"].startswith("refresh_credentials ran")


def test_an_answer_on_the_page_ends_the_request_in_the_name_of_the_person(workshop: Workshop) -> None:
    run_id, incident_id = _asked(workshop)
    address = f"{workshop.stack.airflow_url}/groundwork/ui/incidents/{incident_id}"
    cookies, form = {"_token": workshop.stack.token()}, {"action": "answer", "answer": "ignore"}
    with httpx.Client(
        cookies=cookies, trust_env=False, timeout=ANSWER_SECONDS, headers={"Accept": "text/html"}
    ) as browser:
        forged = browser.post(address, data=form, headers={"Origin": "http://evil.example"})
        assert forged.status_code == 403
        done = browser.post(address, data=form, headers={"Origin": workshop.stack.airflow_url})
    assert (done.status_code, done.headers["location"][-14:]) == (303, "?told=answered")
    wait(lambda: workshop.ended("escalation", f"incident__{incident_id}") == "success", "the end of the request")
    assert _state(workshop, incident_id) == ("resolved", "ignore")
    assert workshop.tasks("fragile", run_id)["source"] == "failed"
    detail = workshop.question_of("escalation", f"incident__{incident_id}", "ask")
    assert detail["chosen_options"] == ["ignore"]
    assert detail["responded_by_user"]["name"] == "admin"


def test_what_heals_while_somebody_is_asked_ends_the_request(workshop: Workshop) -> None:
    run_id, incident_id = _asked(workshop)
    (workshop.project / "mended").touch()
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["source"], "only_failed": True}
    workshop.client.post("/dags/fragile/clearTaskInstances", json=body).raise_for_status()
    wait(lambda: _state(workshop, incident_id)[0] == "resolved", "healing")
    workshop.ended("escalation_sweep", workshop.start("escalation_sweep"))
    assert workshop.ended("escalation", f"incident__{incident_id}") == "success"
    assert _state(workshop, incident_id) == ("resolved", None), "nobody decided anything"


def test_without_the_rest_api_the_sweep_carries_out_what_was_answered_elsewhere(workshop: Workshop) -> None:
    run_id, incident_id = _asked(workshop)
    (workshop.project / "mended").touch()
    with _without_connection(workshop, "airflow_api"):
        told = workshop.stack.command("incidents", "answer", incident_id, "retry")
        assert "the Dag `escalation_sweep` lets the waiting task go on" in told.stdout
        with workshop.store.begin() as connection:
            connection.execute(INCIDENT.update().values(answered_at=INCIDENT.c.answered_at - timedelta(minutes=5)))
        workshop.ended("escalation_sweep", workshop.start("escalation_sweep"))
        wait(lambda: _state(workshop, incident_id) == ("resolved", "retry"), "healing")
    assert workshop.ended("escalation", f"incident__{incident_id}") == "success"
    wait(lambda: workshop.tasks("fragile", run_id)["after"] == "success", "the end of the run")
