"""What stands around each try, in a running Airflow: breakers that cost no try, alternatives, tries that are killed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from groundwork.local.databases import AIRFLOW
from groundwork.local.postgres import free_port
from groundwork.model.fault import TaskTry
from groundwork.store.alternative import Alternatives
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.strike import Strikes
from tests.e2e.fix_workshop import Workshop, wait

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_DAG = """
import os, signal
from datetime import timedelta
from pathlib import Path
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, get_current_context, task
from groundwork.operators.healing import healing

def note(_context):
    with Path("FOLDER/own_hook").open("a") as log:
        log.write("x")

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

quick = healing(retry_delay=timedelta(seconds=1))
with DAG("guarded", schedule=None, is_paused_upon_creation=False, default_args=quick):
    SQLExecuteQueryOperator(task_id="foreign", conn_id="depot", sql="SELECT 1")
    SQLExecuteQueryOperator.partial(task_id="mapped", conn_id="depot").expand(sql=["SELECT 1", "SELECT 2"])
    PythonOperator(task_id="own_hook", python_callable=lambda: None, pre_execute=note)

with DAG("elsewhere", schedule=None, is_paused_upon_creation=False, default_args=quick):
    SQLExecuteQueryOperator(task_id="ask", conn_id="gone", sql="SELECT current_database()")

with DAG("killing", schedule=None, is_paused_upon_creation=False, default_args=quick):
    @task
    def once():
        if get_current_context()["ti"].try_number == 1:
            killed()

    once()
    PythonOperator(task_id="for_good", python_callable=killed, retries=0)
"""
_POLICY = """
kind: alternatives
version: 1.0.0
connections:
  gone: {fallback: depot}
"""


@contextmanager
def _connections(workshop: Workshop) -> Iterator[None]:
    """`depot` is the warehouse, `gone` leads to a port where nobody listens."""
    path = workshop.stack.layout.connections
    before = path.read_text(encoding="utf-8")
    there = json.loads(before)["warehouse"]
    more = {"depot": there, "gone": {**there, "port": free_port()}}
    path.write_text(json.dumps({**json.loads(before), **more}), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def dags(workshop: Workshop) -> Iterator[None]:
    policy = workshop.project / "governance" / "policies" / "alternatives.yaml"
    before = policy.read_text(encoding="utf-8")
    policy.write_text(_POLICY, encoding="utf-8")
    with (
        _connections(workshop),
        workshop.dag_files("escalation.py", guarded=_DAG.replace("FOLDER", str(workshop.project))),
    ):
        wait(lambda: workshop.is_active("guarded"), "the Dags")
        yield
    policy.write_text(before, encoding="utf-8")


def test_an_open_breaker_lets_tasks_wait_without_a_try_and_its_probe_closes_it(workshop: Workshop) -> None:
    breakers = Breakers(workshop.store)
    rule = BreakerRule(threshold=1, cool_down_seconds=3600, probe_seconds=20)
    assert breakers.failed("connection:depot", by="a test", rule=rule, reason="gone")
    run_id = workshop.start("guarded")

    def held() -> list[tuple[str, int]]:
        path = f"/dags/guarded/dagRuns/{run_id}/taskInstances"
        found = workshop.client.get(path).raise_for_status().json()["task_instances"]
        return [(each["state"], each["try_number"]) for each in found if each["task_id"] != "own_hook"]

    wait(lambda: held() == [("up_for_reschedule", 1)] * 3, lambda: f"the waiting: {held()}")
    assert breakers.all(only_troubled=True)
    with workshop.store.begin() as connection:
        connection.execute(text("UPDATE groundwork.breaker SET retry_at = now()"))
    with workshop.stack.engine(AIRFLOW) as airflow, airflow.begin() as connection:
        # Soon, but not at once: a task that is queued anew before the scheduler heard of its last end counts as lost.
        connection.execute(text("UPDATE task_reschedule SET reschedule_date = now() + interval '20 seconds'"))

    assert workshop.ended("guarded", run_id) == "success"
    found = workshop.attempts("guarded", run_id)
    assert found["foreign"] == ("success", 1), "waiting cost no try"
    assert found["mapped"] == ("success", 1)
    assert [row["state"] for row in breakers.all()] == ["closed"]
    assert not [row for row in Strikes(workshop.store).latest() if row["dag_id"] == "guarded"]
    assert (workshop.project / "own_hook").read_text(encoding="utf-8") == "x", "its own hook ran as well, once"


def test_an_operator_of_another_provider_runs_on_the_fallback(workshop: Workshop) -> None:
    run_id = workshop.start("elsewhere")
    assert workshop.ended("elsewhere", run_id) == "success"
    assert workshop.attempts("elsewhere", run_id)["ask"] == ("success", 3)

    def strikes() -> list[Mapping[str, Any]]:
        return [row for row in Strikes(workshop.store).latest() if row["dag_id"] == "elsewhere"]

    wait(lambda: strikes()[0]["outcome"] == "healed", "the healing, which is told after the success")
    assert [(row["number"], row["circumstances"]["target"], row["outcome"]) for row in strikes()] == [
        (2, "gone", "healed"),
        (1, "gone", "failed_again"),
    ]
    task_try = TaskTry(dag_id="elsewhere", run_id=run_id, task_id="ask", try_number=3)
    wait(lambda: Alternatives(workshop.store).of(task_try)[0]["ended_because"], "the end of the alternative")
    (row,) = Alternatives(workshop.store).of(task_try)
    assert (row["kind"], row["names"], row["instead"], row["ran_in_try"]) == ("fallback", "gone", "depot", 3)
    assert row["ended_because"] == "the task succeeded"
    told = workshop.client.get(f"/dags/elsewhere/dagRuns/{run_id}/taskInstances/ask/xcomEntries/runs_on").json()
    assert "`depot` instead of `gone`" in told["value"]
    expected = str(workshop.warehouse.url.database)
    answer = workshop.client.get(f"/dags/elsewhere/dagRuns/{run_id}/taskInstances/ask/xcomEntries/return_value").json()
    assert expected in str(answer["value"])


def test_tries_that_are_killed_get_their_strike_once(workshop: Workshop) -> None:
    run_id = workshop.start("killing")
    assert workshop.ended("killing", run_id) == "failed"
    assert workshop.attempts("killing", run_id) == {"once": ("success", 2), "for_good": ("failed", 1)}

    def strikes() -> list[tuple[str, int, str, str]]:
        rows = [row for row in Strikes(workshop.store).latest() if row["dag_id"] == "killing"]
        return sorted((row["task_id"], row["try_number"], row["fault_class"], row["outcome"]) for row in rows)

    wait(lambda: len(strikes()) == 2, lambda: f"two strikes: {strikes()}")
    assert strikes() == [("for_good", 1, "worker_lost", "escalated"), ("once", 1, "worker_lost", "healed")]
