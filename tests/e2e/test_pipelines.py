"""Pipelines in a running Airflow: a contract comes, changes, breaks and goes, and its Dag with it; nothing restarts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.contracts.derive.ddl import statements
from groundwork.flow.pipelines.catalogue import pipeline_domain
from groundwork.local.databases import STORE, WAREHOUSE, database_url
from groundwork.local.environment import process_environment
from groundwork.store.audit import AuditTrail
from tests.fix_stack import Stack, remove, run_command, temporary_layout
from tests.operators.pipeline_contracts import WATERMARK, write_contract

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1500)]
_ROOT = Path(__file__).parents[2]
_SEEN_SECONDS = 150.0  # Airflow looks for changed files every 30 s, and calls a Dag stale 50 s after it was last seen
_RUN_SECONDS = 240.0
HEADER = "number,day,other\n"
FOUR_DAYS = HEADER + "".join(f"{number},2026-01-0{number},\n" for number in (1, 2, 3, 4))
THREE_DAYS = ["2026-01-01 2026-01-02 1", "2026-01-02 2026-01-03 1", "2026-01-03 2026-01-04 1"]  # range and rows read


class Airflow:
    """The running deployment with its project, as the tests speak to it."""

    def __init__(self, stack: Stack, client: httpx.Client, warehouse: Engine, store: Engine) -> None:
        self.stack, self.client, self.warehouse, self.store = stack, client, warehouse, store

    @property
    def project(self) -> Path:
        """The folder of the project."""
        return self.stack.layout.project

    def declare(self, name: str, rows: str | None = None, **options: Any) -> str:
        """Write a contract, make its table and its file; returns the Dag's id."""
        write_contract(self.project, name, **options)
        with self.warehouse.begin() as connection:
            there = connection.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"shop.{name}"})
            if not there.scalar_one():
                domain = pipeline_domain(self.project / "governance" / "contracts", "shop", name)
                for statement in statements(domain):
                    if statement.table == name or statement.kind == "schema":
                        connection.exec_driver_sql(statement.sql)
        if rows is not None:
            (self.project / "data" / f"{name}.csv").write_text(rows)
        return f"load_shop__{name}"

    def dag(self, dag_id: str) -> dict[str, Any]:
        """What Airflow says of a Dag."""
        found: dict[str, Any] = self.client.get(f"/dags/{dag_id}/details").raise_for_status().json()
        return found

    def is_active(self, dag_id: str) -> bool:
        """Whether Airflow lists the Dag among those that are there."""
        found = self.client.get("/dags", params={"dag_id_pattern": dag_id, "exclude_stale": True})
        return any(each["dag_id"] == dag_id for each in found.raise_for_status().json()["dags"])

    def start(self, dag_id: str, **conf: object) -> str:
        """Start a run once the Dag is there."""
        wait(lambda: self.is_active(dag_id), f"the Dag {dag_id}", _SEEN_SECONDS)
        body = {"logical_date": None, "conf": conf}
        started = self.client.post(f"/dags/{dag_id}/dagRuns", json=body)
        return str(started.raise_for_status().json()["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a Dag."""
        found = self.client.get(f"/dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"]
        return list(found)

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Task → state; of mapped tasks the last one counts."""
        found = self.client.get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances").raise_for_status().json()
        return {each["task_id"]: each["state"] for each in found["task_instances"]}

    def ended(self, dag_id: str, run_id: str) -> str:
        """How a run ended, once it has."""

        def state() -> str | None:
            found = self.client.get(f"/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()["state"]
            return str(found) if found in {"success", "failed"} else None

        return str(wait(state, f"the end of {dag_id} {run_id}", _RUN_SECONDS))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`airflow …` on this deployment."""
        return subprocess.run(
            (sys.executable, "-m", "airflow", *arguments),
            env=process_environment(self.stack.layout),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def values(self, query: str) -> list[Any]:
        """First column of what a query on the warehouse returns."""
        with self.warehouse.connect() as connection:
            return list(connection.execute(text(query)).scalars())


def wait(what: Callable[[], Any], told: str, seconds: float) -> Any:
    """What `what` returns once that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{told} did not come within {seconds:.0f} s")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """A deployment whose only Dags are those of its contracts; there is one contract at the start."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("policies", "patterns"):
        shutil.copytree(_ROOT / "governance" / folder, project / "governance" / folder)
    for folder in ("dags", "plugins", "data", "expectations", "dbt_project"):
        (project / folder).mkdir()
    for name in ("pipelines.py", "contract_errors.py"):
        shutil.copy(_ROOT / "dags" / name, project / "dags")
    shutil.copy(_ROOT / "plugins" / "groundwork_plugin.py", project / "plugins")
    write_contract(project, "first")
    layout = temporary_layout(project)
    try:
        started = run_command(layout, "up", timeout=400)
        assert started.returncode == 0, started.stderr
        stack = Stack(layout=layout)
        warehouse = create_engine(database_url(layout, stack.ports.postgres, WAREHOUSE))
        store = create_engine(database_url(layout, stack.ports.postgres, STORE))
        headers = {"Authorization": f"Bearer {stack.token()}"}
        address = f"{stack.airflow_url}/api/v2"
        with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=30) as client:
            yield Airflow(stack, client, warehouse, store)
        warehouse.dispose()
        store.dispose()
    finally:
        remove(layout)


def test_a_contract_that_is_added_gives_a_dag_that_loads(airflow: Airflow) -> None:
    dag_id = airflow.declare("orders", FOUR_DAYS, source=WATERMARK)
    run_id = airflow.start(dag_id)
    assert airflow.ended(dag_id, run_id) == "success", airflow.tasks(dag_id, run_id)
    assert airflow.tasks(dag_id, run_id) == dict.fromkeys(("check", "load", "validate", "announce"), "success")
    assert airflow.values("SELECT number FROM shop.orders ORDER BY 1") == [1, 2, 3, 4]
    assert airflow.values("SELECT run_id FROM groundwork_flow.load") == [run_id]
    assets = airflow.client.get("/assets/events").raise_for_status().json()["asset_events"]
    assert [(event["name"], event["extra"]["loaded"]) for event in assets] == [("shop.orders", 4)]


def test_a_contract_that_changes_changes_its_dag(airflow: Airflow) -> None:
    dag_id = airflow.declare("orders", source={"schedule": "0 3 1 1 *", **WATERMARK}, description="Told anew.")
    wait(lambda: "Told anew." in (airflow.dag(dag_id)["doc_md"] or ""), "the new description", _SEEN_SECONDS)
    assert airflow.dag(dag_id)["timetable_summary"] == "0 3 1 1 *"


def test_a_broken_contract_is_told_and_takes_no_dag_away(airflow: Airflow) -> None:
    broken = airflow.project / "governance" / "contracts" / "shop" / "broken.odcs.yaml"
    broken.write_text("schema: [")

    def told() -> list[dict[str, Any]]:
        found = airflow.client.get("/importErrors").raise_for_status().json()["import_errors"]
        return [error for error in found if "shop/broken.odcs.yaml" in error["stack_trace"]]

    (error,) = wait(told, "the import error", _SEEN_SECONDS)
    assert error["filename"].endswith("contract_errors.py")
    time.sleep(35)  # the file with the Dags is read again while the contract is broken
    assert airflow.is_active("load_shop__orders")
    run_id = airflow.start("load_shop__orders")
    assert airflow.ended("load_shop__orders", run_id) == "success"
    broken.unlink()
    wait(lambda: not told(), "the end of the import error", _SEEN_SECONDS)


def test_a_backfill_of_three_days_loads_three_windows(airflow: Airflow) -> None:
    dag_id = airflow.declare("daily", FOUR_DAYS, source={"schedule": "@daily", **WATERMARK})
    wait(lambda: airflow.is_active(dag_id), "the Dag", _SEEN_SECONDS)
    _backfill(airflow, dag_id)
    assert _windows(airflow, "daily") == THREE_DAYS


def test_partitions_are_loaded_one_by_one_and_wake_who_waits_for_them(airflow: Airflow) -> None:
    source = {"schedule": "@daily", "partition": True, **WATERMARK}
    dag_id = airflow.declare("parts", FOUR_DAYS, source=source)
    waiting = airflow.declare("part_child", FOUR_DAYS, source={"schedule": "asset", **WATERMARK}, parent="parts")
    wait(lambda: airflow.is_active(dag_id) and airflow.is_active(waiting), "the Dags", _SEEN_SECONDS)
    _backfill(airflow, dag_id)
    assert _windows(airflow, "parts") == THREE_DAYS
    assert airflow.values("SELECT day::text FROM shop.parts ORDER BY 1") == ["2026-01-01", "2026-01-02", "2026-01-03"]
    wait(lambda: _windows(airflow, "part_child") == THREE_DAYS, "the partitions of the child", _RUN_SECONDS)


def test_a_load_in_parts_waits_for_its_pool_to_be_made(airflow: Airflow) -> None:
    rows = HEADER + "".join(f"{number},2026-01-01,\n" for number in range(20_000))
    dag_id = airflow.declare("cut", rows, source={"parallel": 2, "pool": {"name": "narrow", "slots": 1}})
    run_id = airflow.start(dag_id, dry_run=True)
    state = wait(lambda: airflow.tasks(dag_id, run_id).get("check") in {"up_for_retry", "failed"}, "a refusal", 120)
    assert state
    shown = airflow.stack.command("pools")
    assert (shown.returncode, "narrow  1 slots  missing" in shown.stdout) == (1, True), shown.stderr
    made = airflow.stack.command("pools", "--create")
    assert made.returncode == 0, made.stderr
    run_id = airflow.start(dag_id)
    assert airflow.ended(dag_id, run_id) == "success", airflow.tasks(dag_id, run_id)
    assert airflow.values("SELECT count(*) FROM shop.cut") == [20_000]


def test_a_dry_run_loads_nothing_and_a_run_without_its_parts_is_no_failure(airflow: Airflow) -> None:
    before = airflow.values("SELECT count(*) FROM groundwork_flow.load")
    run_id = airflow.start("load_shop__orders", dry_run=True)
    assert airflow.ended("load_shop__orders", run_id) == "success"
    assert set(airflow.tasks("load_shop__orders", run_id).values()) == {"skipped"}
    assert airflow.values("SELECT count(*) FROM groundwork_flow.load") == before


def test_a_promise_that_is_not_kept_is_on_record(airflow: Airflow) -> None:
    dag_id = airflow.declare("late", FOUR_DAYS, source={"schedule": "0 3 1 1 *"}, freshness=(0.1, "s"))
    run_id = airflow.start(dag_id)

    def told() -> list[Any]:
        events = AuditTrail(airflow.store).latest(100)
        return [event for event in events if event["action"] == "freshness_promise_missed"]

    event = wait(told, "the missed promise", 120)[0]
    assert event["subject"] == "warehouse:shop.late"
    assert airflow.ended(dag_id, run_id) == "success"


def test_a_contract_that_is_removed_takes_its_dag_away(airflow: Airflow) -> None:
    assert airflow.is_active("load_shop__orders")
    (airflow.project / "governance" / "contracts" / "shop" / "orders.odcs.yaml").unlink()
    wait(lambda: not airflow.is_active("load_shop__orders"), "the end of the Dag", _SEEN_SECONDS)
    assert airflow.runs("load_shop__orders")  # its history stays


def _backfill(airflow: Airflow, dag_id: str) -> None:
    """Three days through Airflow's own backfill, to its end."""
    days = ("--from-date", "2026-01-01", "--to-date", "2026-01-03")
    done = airflow.command("backfill", "create", "--dag-id", dag_id, *days, "--max-active-runs", "1")
    assert done.returncode == 0, done.stdout + done.stderr

    def ended() -> list[str]:
        states = [run["state"] for run in airflow.runs(dag_id) if run["run_type"] == "backfill"]
        return states if len(states) == 3 and set(states) <= {"success", "failed"} else []

    assert wait(ended, "the backfill", _RUN_SECONDS) == ["success"] * 3


def _windows(airflow: Airflow, table: str) -> list[str]:
    return airflow.values(
        f"SELECT concat_ws(' ', window_start, window_end, read) FROM groundwork_flow.load WHERE table_name = '{table}' "
        "AND window_start < '2026-02' ORDER BY window_start"
    )
