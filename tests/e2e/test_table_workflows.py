"""Tables in a running Airflow: made, changed with a person's approval, and watched by the schema guardian."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.local.databases import STORE, WAREHOUSE, database_url
from groundwork.store.decision import Decisions
from groundwork.store.report import Reports
from groundwork.store.table_workflow import TableWorkflows
from tests.fix_stack import Stack, remove, run_command, temporary_layout

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1200)]
_ROOT = Path(__file__).parents[2]
_READING_SECONDS = 10.0  # nobody answers faster, and Airflow can lose an answer that is
_RUN_SECONDS = 420.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment with an empty warehouse and no Dags but the two workflows and the guardian."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("governance", "dbt_project", "expectations"):
        shutil.copytree(_ROOT / folder, project / folder, ignore=shutil.ignore_patterns("target", "logs"))
    (project / "dags").mkdir()
    (project / "plugins").mkdir()
    for name in ("new_table.py", "change_column.py", "schema_guardian.py"):
        shutil.copy(_ROOT / "dags" / name, project / "dags")
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
def warehouse(stack: Stack) -> Iterator[Engine]:
    engine = create_engine(database_url(stack.layout, stack.ports.postgres, WAREHOUSE))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def store(stack: Stack) -> Iterator[Engine]:
    engine = create_engine(database_url(stack.layout, stack.ports.postgres, STORE))
    yield engine
    engine.dispose()


def _wait(what: Callable[[], Any], told: str, seconds: float = _RUN_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{told} did not happen within {seconds:.0f} s")


def _start(client: httpx.Client, dag_id: str, **conf: object) -> str:
    _wait(lambda: client.get(f"/dags/{dag_id}").status_code == 200, f"parsing {dag_id}")
    client.patch(f"/dags/{dag_id}", json={"is_paused": False}).raise_for_status()
    started = client.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
    return str(started.raise_for_status().json()["dag_run_id"])


def _tasks(client: httpx.Client, dag_id: str, run_id: str) -> dict[str, str | None]:
    found = client.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances").raise_for_status().json()
    return {each["task_id"]: each["state"] for each in found["task_instances"]}


def _ended(client: httpx.Client, dag_id: str, run_id: str) -> str:
    def state() -> str | None:
        found = client.get(f"/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"]
        return str(found) if found in {"success", "failed"} else None

    return str(_wait(state, f"the end of {dag_id} {run_id}: {_tasks(client, dag_id, run_id)}"))


def _request(client: httpx.Client, run_id: str) -> dict[str, Any]:
    """The open request of a run, once it waits."""

    def waiting() -> dict[str, Any] | None:
        if _tasks(client, "change_column", run_id).get("approve") != "awaiting_input":
            return None
        found: dict[str, Any] = client.get(_details(run_id)).raise_for_status().json()
        return found

    found: dict[str, Any] = _wait(waiting, "the request for an approval")
    return found


def _details(run_id: str) -> str:
    return f"/dags/change_column/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"


def _answer(client: httpx.Client, run_id: str, option: str) -> str:
    """Answer as a person does, again when asked again; how the run ended."""
    deadline = time.monotonic() + _RUN_SECONDS
    while time.monotonic() < deadline:
        state = client.get(f"/dags/change_column/dagRuns/{run_id}").raise_for_status().json()["state"]
        if state in {"success", "failed"}:
            return str(state)
        if _tasks(client, "change_column", run_id).get("approve") == "awaiting_input":
            time.sleep(_READING_SECONDS)
            client.patch(_details(run_id), json={"chosen_options": [option], "params_input": {}})
        time.sleep(0.5)
    raise AssertionError(f"the run did not end after the answer: {_tasks(client, 'change_column', run_id)}")


def test_the_strategy_registry_is_made(client: httpx.Client, warehouse: Engine, store: Engine) -> None:
    run_id = _start(client, "new_table", table="strategies")
    assert _ended(client, "new_table", run_id) == "success", _tasks(client, "new_table", run_id)
    assert set(_tasks(client, "new_table", run_id).values()) == {"success"}
    with warehouse.connect() as connection:
        columns = connection.execute(
            text("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'market'")
        ).scalar_one()
    assert columns == 8
    kept = TableWorkflows(store).get(f"new_table/{run_id}")
    assert kept is not None
    assert kept["state"] == "success"
    recorded = [each for each in Decisions(store).latest() if each.run_id == f"new_table/{run_id}"]
    assert {"table_design", "index_design", "change_approval"} <= {each.kind.value for each in recorded}
    assert all(each.reasoning for each in recorded)


def test_a_lossy_change_waits_for_a_person(client: httpx.Client, warehouse: Engine, store: Engine) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies ADD COLUMN note text"))
        connection.execute(text("DROP INDEX market.strategies_priority_idx"))
    run_id = _start(client, "change_column", table="strategies", accept=["loss"])
    shown = _request(client, run_id)
    assert "DROP COLUMN" in shown["body"]
    assert "CREATE INDEX CONCURRENTLY" in shown["body"]
    assert shown["options"] == ["Approve", "Reject"]
    with warehouse.connect() as connection:  # nothing happens before the answer
        assert connection.execute(text("SELECT count(note) FROM market.strategies")).scalar_one() == 0
    assert _answer(client, run_id, "Approve") == "success", _tasks(client, "change_column", run_id)
    (decision,) = [each for each in Decisions(store).latest() if each.decided_by.startswith("person:")]
    assert (decision.choice, decision.subject) == ("Approve", "market.strategies")
    steps = {row["step"]: row for row in TableWorkflows(store).steps(f"change_column/{run_id}")}
    patterns = {each["pattern"]: each for each in steps["query_tests"]["found"]["patterns"]}
    assert patterns["strategies_by_priority"]["after"]["indexes"] == ["strategies_priority_idx"]
    assert {each["passed"] for each in steps["verify_sync"]["found"]["criteria"]} == {True}


def test_a_rejected_change_changes_nothing(client: httpx.Client, warehouse: Engine, store: Engine) -> None:
    with warehouse.begin() as connection:
        connection.execute(text("ALTER TABLE market.strategies ADD COLUMN note text"))
    run_id = _start(client, "change_column", table="strategies", accept=["loss"])
    _request(client, run_id)
    assert _answer(client, run_id, "Reject") == "failed"
    states = _tasks(client, "change_column", run_id)
    assert states["approve"] == "failed"
    assert states["apply"] == "upstream_failed"
    with warehouse.connect() as connection:
        assert connection.execute(text("SELECT count(note) FROM market.strategies")).scalar_one() == 0
    kept = TableWorkflows(store).get(f"change_column/{run_id}")
    assert kept is not None
    assert kept["state"] == "failed"


def test_the_guardian_tells_what_differs_and_changes_nothing(
    stack: Stack, client: httpx.Client, warehouse: Engine, store: Engine
) -> None:
    run_id = _start(client, "schema_guardian")  # the column `note` is left from the change that was rejected
    assert _ended(client, "schema_guardian", run_id) == "success", _tasks(client, "schema_guardian", run_id)
    assert set(_tasks(client, "schema_guardian", run_id).values()) == {"success"}
    kept = Reports(store).latest("market", "guardian")
    assert kept is not None
    assert kept["fields"]["run_id"] == f"schema_guardian/{run_id}"
    checks = {check["name"]: check for check in kept["fields"]["checks"]}
    assert {name: check["state"] for name, check in checks.items()} == {
        "validate_schema": "fine",
        "compare_to_db": "found",
        "explain_migration": "found",
        "check_rules": "fine",
        "contract_diff": "fine",
    }
    assert "extra column note of market.strategies" in checks["compare_to_db"]["lines"]
    page = httpx.get(
        f"{stack.airflow_url}/groundwork/ui/reports/latest",
        headers={"Authorization": f"Bearer {stack.token()}"},
        trust_env=False,
        timeout=30,
    )
    assert "Schema guardian: market" in page.raise_for_status().text
    with warehouse.connect() as connection:
        assert connection.execute(text("SELECT count(note) FROM market.strategies")).scalar_one() == 0


def test_the_guardian_fails_by_policy_after_its_report(client: httpx.Client, store: Engine) -> None:
    run_id = _start(client, "schema_guardian", fail_on="findings")
    assert _ended(client, "schema_guardian", run_id) == "failed"
    states = _tasks(client, "schema_guardian", run_id)
    assert {name for name, state in states.items() if state == "failed"} == {"explain_migration", "report"}
    kept = Reports(store).latest("market", "guardian")
    assert kept is not None
    assert kept["fields"]["run_id"] == f"schema_guardian/{run_id}"
    assert "**1 of 5 checks failed.**" in kept["markdown"]
