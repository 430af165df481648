"""Three strikes in a running Airflow: a person is asked, answers, and the answer is carried out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.strike import Strikes
from tests.e2e.fix_workshop import Workshop, wait

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]
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
        yield


def _fail(workshop: Workshop) -> tuple[str, str]:
    """Run the fragile Dag into its third strike; its run and the open incident."""
    run_id = workshop.start("fragile")

    def incident_of_run() -> list[Any]:
        found = Incidents(workshop.store).latest("open")
        return [each for each in found if each["affected"][0]["run_id"] == run_id]

    (incident,) = wait(incident_of_run, "the incident")
    wait(lambda: workshop.attempts("fragile", run_id)["source"] == ("failed", 3), "the third strike")
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
    assert shown["options"] == ["retry", "mark_resolved", "ignore"], "the recommended answer comes first"
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
