"""The Dag `alarms` and a callback of somebody else's Dag, run by Airflow itself against a real store and webhook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from groundwork.model.policy import Effect, PolicyVerdict
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.policy_verdict import PolicyVerdicts
from tests.fix_postgres import Database
from tests.operators.fix_channels import Inbox, inbox
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
__all__ = ["inbox"]
PROJECT = Path(__file__).parents[2]
_POLICY = """
kind: notifications
version: 1.0.0
channels: {bus: {kind: webhook, connection: bus}}
routes: [{channels: [bus], events: [alarm, task_failed]}]
"""
_FAILING = """
from airflow.sdk import DAG, task
from groundwork.operators.incidents.incident_notifier import IncidentNotifier

with DAG("somebody_elses", default_args={"on_failure_callback": IncidentNotifier(domain="market")}):

    @task
    def fails() -> None:
        raise ValueError("{{ this is no template }}")

    fails()
"""


@pytest.fixture
def project(tmp_path: Path, airflow_schema: Path) -> Path:
    shutil.copytree(PROJECT / "governance", tmp_path / "governance")
    (tmp_path / "governance" / "policies" / "notifications.yaml").write_text(_POLICY)
    (tmp_path / "dags").mkdir()
    shutil.copy(PROJECT / "dags" / "alarms.py", tmp_path / "dags")
    (tmp_path / "dags" / "somebody_elses.py").write_text(_FAILING)
    shutil.copy(airflow_schema, tmp_path / "airflow.db")
    return tmp_path


def test_airflow_runs_the_scan_and_calls_back(project: Path, database: Database, inbox: Inbox) -> None:
    migrate(database.engine)
    leak = PolicyVerdict(
        policy="masking",
        policy_version="1",
        rule="leak",
        subject="market.orders.buyer",
        passed=False,
        effect=Effect.BLOCK,
        expected="masked",
        found="in clear",
    )
    PolicyVerdicts(database.engine).record("run 1", "market", "verify_access", [leak])
    bus = {"conn_type": "http", "host": "127.0.0.1", "schema": "http", "port": inbox.port, "password": "key-of-the-bus"}
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "AIRFLOW_HOME": str(project),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{project}/airflow.db",
        "AIRFLOW_CONN_GROUNDWORK_STORE": database.url.replace("postgresql+psycopg://", "postgres://"),
        "AIRFLOW_CONN_BUS": json.dumps(bus),
        "GROUNDWORK_PROJECT": str(project),
        "GROUNDWORK_HOME": str(project / "home"),
    }
    for dag_id in ("alarms", "somebody_elses"):
        command = [str(Path(sys.executable).parent / "airflow"), "dags", "test", dag_id]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, timeout=PROCESS_SECONDS
        )
        assert "key-of-the-bus" not in done.stdout + done.stderr
        assert done.returncode == 0 or dag_id == "somebody_elses", (done.stdout + done.stderr)[-5000:]
    (incident,) = Incidents(database.engine).latest()
    alarm, failure = (request.json for request in inbox.requests)
    assert (alarm["event"], alarm["subject"]) == ("alarm", str(incident["id"]))
    assert (failure["event"], failure["title"]) == ("task_failed", "Failed: somebody_elses / fails")
    assert "{{ this is no template }}" in failure["text"]
