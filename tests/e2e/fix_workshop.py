"""One small project in a running Airflow for all tests that need no data of the market: pipelines, streams, workflows.

Each module of tests brings its own Dag files and takes them away, so that Airflow has few to read. It reads them every
few seconds here instead of twice a minute, by settings that a user can give as well.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import Engine, text

from groundwork.flow.capture.event import Way
from groundwork.local.databases import STORE, WAREHOUSE
from tests.fix_airflow import hurry_patterns
from tests.fix_stack import ANSWER_SECONDS, OwnSettings, Stack, running
from tests.flow.capture.shop import contract
from tests.operators.pipeline_contracts import write_contract

_ROOT = Path(__file__).parents[2]
_EAGER: OwnSettings = {
    "scheduler": {
        "scheduler_idle_sleep_time": 0.3,
        "parsing_cleanup_interval": 3,
        "scheduler_health_check_threshold": 20,  # what a test kills is taken up soon
        "orphaned_tasks_check_interval": 15,
    },
    "dag_processor": {
        "refresh_interval": 3,
        "bundle_refresh_check_interval": 2,
        "min_file_process_interval": 5,
        "stale_dag_threshold": 10,
    },
}
_READING_SECONDS = 4.0  # nobody answers faster, and Airflow can lose an answer that is
STREAMS = {Way.OUTBOX: "warehouse", Way.LOG: "warehouse_log"}  # the Airflow connection of each way's source


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """The running deployment with its project, a client of Airflow and the databases, as the tests speak to them."""

    stack: Stack
    client: httpx.Client
    warehouse: Engine
    store: Engine

    @property
    def project(self) -> Path:
        """The folder of the project."""
        return self.stack.layout.project

    @contextmanager
    def dag_files(self, *names: str, **texts: str) -> Iterator[None]:
        """Let Airflow have some of our Dag files for a while, and others with these texts, by the name of the Dag."""
        folder = self.project / "dags"
        written = {name: (_ROOT / "dags" / name).read_text(encoding="utf-8") for name in names}
        written |= {f"{dag_id}.py": text for dag_id, text in texts.items()}
        for name, content in written.items():
            (folder / name).write_text(content, encoding="utf-8")
        yield
        for name in written:
            (folder / name).unlink()

    def dag(self, dag_id: str) -> dict[str, Any]:
        """What Airflow says of a Dag."""
        return self._found(f"/dags/{dag_id}/details")

    def is_active(self, dag_id: str) -> bool:
        """Whether Airflow lists the Dag among those that are there."""
        found = self._found("/dags", dag_id_pattern=dag_id, exclude_stale=True)
        return any(each["dag_id"] == dag_id for each in found["dags"])

    def pause(self, dag_id: str, *, is_paused: bool = True) -> None:
        """Let a Dag sleep, or wake it."""
        self.client.patch(f"/dags/{dag_id}", json={"is_paused": is_paused}).raise_for_status()

    def start(self, dag_id: str, **conf: object) -> str:
        """Start a run once the Dag is there; the run's id."""
        wait(lambda: self.is_active(dag_id), f"the Dag {dag_id}")
        self.pause(dag_id, is_paused=False)
        started = self.client.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        return str(started.raise_for_status().json()["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a Dag."""
        return list(self._found(f"/dags/{dag_id}/dagRuns")["dag_runs"])

    def attempts(self, dag_id: str, run_id: str) -> dict[str, tuple[str | None, int]]:
        """Task → state and number of the attempt; of mapped tasks the last one counts."""
        found = self._found(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {each["task_id"]: (each["state"], each["try_number"]) for each in found}

    def tasks(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Task → state; of mapped tasks the last one counts."""
        return {task: state for task, (state, _) in self.attempts(dag_id, run_id).items()}

    def ended(self, dag_id: str, run_id: str) -> str:
        """How a run ended, once it has."""

        def state() -> str | None:
            found = str(self._found(f"/dags/{dag_id}/dagRuns/{run_id}")["state"])
            return found if found in {"success", "failed"} else None

        return str(wait(state, lambda: f"the end of {dag_id} {run_id}: {self.tasks(dag_id, run_id)}"))

    def question(self, dag_id: str, run_id: str, task: str) -> dict[str, Any]:
        """What a task asks a person, once it waits for the answer."""
        wait(lambda: self._waits(dag_id, run_id, task), lambda: f"the question of {self.tasks(dag_id, run_id)}")
        return self.question_of(dag_id, run_id, task)

    def question_of(self, dag_id: str, run_id: str, task: str) -> dict[str, Any]:
        """The request of a task and what was answered."""
        return self._found(_question(dag_id, run_id, task))

    def answer(self, dag_id: str, run_id: str, task: str, option: str) -> None:
        """Answer as a person does, who reads first and answers again when asked again, until the task has ended."""
        asked: dict[int, float] = {}

        def is_taken() -> bool:
            state, attempt = self.attempts(dag_id, run_id).get(task, (None, 0))
            if state == "awaiting_input":
                asked.setdefault(attempt, time.monotonic())
                if time.monotonic() - asked[attempt] > _READING_SECONDS:
                    answer = {"chosen_options": [option], "params_input": {}}
                    self.client.patch(_question(dag_id, run_id, task), json=answer)
            return state in {"success", "failed"}

        wait(is_taken, lambda: f"the answer to {self.tasks(dag_id, run_id)}")

    def import_errors(self) -> list[dict[str, Any]]:
        """What Airflow says of files that it cannot import."""
        return list(self._found("/importErrors")["import_errors"])

    def page(self, path: str) -> str:
        """One of our own pages as the administrator sees it."""
        address = f"{self.stack.airflow_url}/groundwork{path}"
        headers = {"Authorization": f"Bearer {self.stack.token()}"}
        return httpx.get(address, headers=headers, trust_env=False, timeout=ANSWER_SECONDS).raise_for_status().text

    def values(self, query: str) -> list[Any]:
        """First column of what a query on the warehouse returns."""
        with self.warehouse.connect() as connection:
            return list(connection.execute(text(query)).scalars())

    def run(self, *statements: str) -> None:
        """Statements on the warehouse, in one transaction."""
        with self.warehouse.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _waits(self, dag_id: str, run_id: str, task: str) -> bool:
        return self.tasks(dag_id, run_id).get(task) == "awaiting_input"

    def _found(self, path: str, **parameters: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(path, params=parameters).raise_for_status().json()
        return found


def wait(what: Callable[[], Any], told: str | Callable[[], str], seconds: float = 600) -> Any:
    """What `what` returns once that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"{told if isinstance(told, str) else told()} did not come within {seconds:.0f} s")


@pytest.fixture(scope="package")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The deployment; it lives as long as tests of this folder use it."""
    project = tmp_path_factory.mktemp("project")
    _make_project(project)
    with (
        running(project, _EAGER) as stack,
        stack.client() as client,
        stack.engine(WAREHOUSE) as warehouse,
        stack.engine(STORE) as store,
    ):
        yield Workshop(stack=stack, client=client, warehouse=warehouse, store=store)


def _make_project(project: Path) -> None:
    """Our governance with patterns that hardly wait, a contract of a shop, two of streams; no Dag yet."""
    ignored = shutil.ignore_patterns("target", "logs")
    for folder in ("governance", "dbt_project", "expectations"):
        shutil.copytree(_ROOT / folder, project / folder, ignore=ignored)
    for folder in ("dags", "plugins", "data"):
        (project / folder).mkdir()
    shutil.copy(_ROOT / "plugins" / "groundwork_plugin.py", project / "plugins")
    hurry_patterns(project)
    write_contract(project, "first")
    for way, connection in STREAMS.items():
        _write_stream(project, way, connection)


def _write_stream(project: Path, way: Way, connection: str) -> None:
    """The domain `by_<way>`, whose tables follow those of the schema `origin`."""
    name = f"by_{way}"
    document = contract({"connection": connection}, {"connection": connection}) | {
        "id": name,
        "domain": name,
        "customProperties": [{"property": "databaseSchema", "value": name}],
    }
    folder = project / "governance" / "contracts" / name
    folder.mkdir()
    (folder / "shop.odcs.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def _question(dag_id: str, run_id: str, task: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/-1/hitlDetails"
