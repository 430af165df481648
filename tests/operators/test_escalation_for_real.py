"""Three strikes in a running Airflow: a person is asked, answers, and the answer is carried out."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine

from groundwork.local.databases import STORE, database_url
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.strike import Strikes
from tests.fix_stack import Stack, remove, run_command, temporary_layout

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]
_ROOT = Path(__file__).parents[2]
_DAG = """
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


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment of a small project: the escalation Dag, one fragile Dag, patterns that hardly wait."""
    project = tmp_path_factory.mktemp("project")
    (project / "dags").mkdir()
    shutil.copytree(_ROOT / "governance", project / "governance")
    for path in (project / "governance" / "patterns").glob("*.yaml"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("backoff:")]
        path.write_text("\n".join([*lines, "backoff: {base_seconds: 0.1, max_seconds: 0.2}"]), encoding="utf-8")
    shutil.copy(_ROOT / "dags" / "escalation.py", project / "dags")
    (project / "dags" / "fragile.py").write_text(_DAG.replace("FOLDER", str(project)), encoding="utf-8")
    (project / "plugins").mkdir()
    shutil.copy(_ROOT / "plugins" / "groundwork_plugin.py", project / "plugins")
    layout = temporary_layout(project)
    try:
        started = run_command(layout, "up", timeout=400)
        assert started.returncode == 0, started.stderr
        yield Stack(layout=layout)
    finally:
        remove(layout)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stack.token()}"}
    with httpx.Client(base_url=f"{stack.airflow_url}/api/v2", headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def store(stack: Stack) -> Iterator[Engine]:
    engine = create_engine(database_url(stack.layout, stack.ports.postgres, STORE))
    yield engine
    engine.dispose()


_READING_SECONDS = 10.0  # nobody answers faster, and Airflow can lose an answer that is


def _wait(what: Callable[[], Any], told: str, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{told} did not happen within {seconds:.0f} s")


def _tasks(client: httpx.Client, run_id: str, dag_id: str = "fragile") -> dict[str, tuple[str | None, int]]:
    found = client.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances").raise_for_status().json()["task_instances"]
    return {each["task_id"]: (each["state"], each["try_number"]) for each in found}


def _fail(client: httpx.Client, store: Engine) -> tuple[str, str]:
    """Run the fragile Dag into its third strike; its run and the open incident."""
    _wait(lambda: client.get("/dags/fragile").status_code == 200, "parsing")
    started = client.post("/dags/fragile/dagRuns", json={"logical_date": None}).raise_for_status().json()
    run_id = started["dag_run_id"]

    def incident_of_run() -> list[Any]:
        return [each for each in Incidents(store).latest("open") if each["affected"][0]["run_id"] == run_id]

    (incident,) = _wait(incident_of_run, "the incident")
    _wait(lambda: _tasks(client, run_id)["source"] == ("failed", 3), "the third strike")
    return run_id, str(incident["id"])


def _answer(client: httpx.Client, store: Engine, incident_id: str, option: str) -> dict[str, Any]:
    """Answer the request of an incident as a person does; the request as it was shown.

    Airflow asks again when the answer came before its scheduler knew that the asking process had ended (issue 71580);
    a person reads first, and answers again when asked again.
    """
    run_id = f"incident__{incident_id}"
    path = f"/dags/escalation/dagRuns/{run_id}/taskInstances/ask/-1/hitlDetails"
    shown = _wait(lambda: (found := client.get(path)).status_code == 200 and found.json(), "the question")

    asked: dict[int, float] = {}

    def is_recorded() -> bool:
        state, attempt = _tasks(client, run_id, "escalation")["ask"]
        if state == "awaiting_input":
            asked.setdefault(attempt, time.monotonic())
            if time.monotonic() - asked[attempt] > _READING_SECONDS:
                client.patch(path, json={"chosen_options": [option], "params_input": {}})
        return _state(store, incident_id)[0] != "open"

    _wait(is_recorded, "the recording of the answer", seconds=480)
    return dict(shown)


def _state(store: Engine, incident_id: str) -> tuple[str, str | None]:
    row = next(each for each in Incidents(store).latest() if str(each["id"]) == incident_id)
    return row["state"], row["answer"]


@pytest.mark.parametrize("has_connection", [True, False], ids=["by the REST API", "by the supervisor"])
def test_retry_runs_the_failed_task_again_and_heals(
    stack: Stack, client: httpx.Client, store: Engine, has_connection: bool
) -> None:
    mended, before = stack.layout.project / "mended", stack.layout.project / "before"
    mended.unlink(missing_ok=True)
    before.unlink(missing_ok=True)
    if not has_connection:
        _drop_connection(stack)
    run_id, incident_id = _fail(client, store)
    mended.touch()
    shown = _answer(client, store, incident_id, "retry")
    assert shown["options"] == ["retry", "mark_resolved", "ignore"], "the recommended answer comes first"
    assert "connection_failures" in shown["subject"]
    assert "the source hung up" in shown["body"]

    _wait(lambda: _state(store, incident_id) == ("resolved", "retry"), "healing")
    _wait(lambda: _tasks(client, run_id)["after"][0] == "success", "the end of the run")
    assert _tasks(client, run_id)["source"] == ("success", 4)
    assert before.read_text(encoding="utf-8") == ("x" if has_connection else "xx"), "only the API spares what was done"
    actions = [row["action"] for row in AuditTrail(store).latest() if row["details"].get("incident_id") == incident_id]
    assert sorted(actions) == ["incident_answered", "incident_opened"]
    assert [row["number"] for row in Strikes(store).latest(3)] == [3, 2, 1]


def test_ignore_runs_nothing(stack: Stack, client: httpx.Client, store: Engine) -> None:
    (stack.layout.project / "mended").unlink(missing_ok=True)
    run_id, incident_id = _fail(client, store)
    _answer(client, store, incident_id, "ignore")
    _wait(lambda: _state(store, incident_id) == ("resolved", "ignore"), "closing")
    assert _tasks(client, run_id)["source"] == ("failed", 3)


def _drop_connection(stack: Stack) -> None:
    path = stack.layout.connections
    connections = json.loads(path.read_text(encoding="utf-8"))
    del connections["airflow_api"]
    path.write_text(json.dumps(connections), encoding="utf-8")
