"""An incident in a store, and what Airflow's REST API does when it is carried out."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

ANSWER = {"chosen_options": ["ignore"], "params_input": {}, "responded_by_user": {"id": "7", "name": "ann"}}


@pytest.fixture
def store(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    from groundwork.operators import connections

    migrate(database.engine)
    for name in ("WAREHOUSE", "GROUNDWORK_STORE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", database.url.replace("postgresql+psycopg", "postgres"))
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    monkeypatch.delenv("GROUNDWORK_PROJECT", raising=False)
    connections.engine.cache_clear()
    yield database.engine
    for name in ("warehouse", "groundwork_store"):
        connections.engine(name).dispose()
    connections.engine.cache_clear()


def failed_task(try_number: int = 3, map_index: int = -1, **task: object) -> SimpleNamespace:
    from groundwork.operators.retry_policy import StrikePolicy

    whole = {"outlets": [], "retry_policy": StrikePolicy(), "has_retry_policy": True, **task}
    return SimpleNamespace(
        dag_id="load", run_id="r 1", task_id="prices", map_index=map_index, try_number=try_number, state="failed",
        task=SimpleNamespace(**whole, get_flat_relative_ids=lambda upstream: set()),
    )  # fmt: skip


@pytest.fixture
def incident_id(store: Engine) -> str:
    instance = failed_task()
    instance.task.retry_policy.respond(ConnectionResetError("gone"), instance, has_try_left=False)
    return str(Incidents(store).latest()[0]["id"])


class Api(ThreadingHTTPServer):
    """What Airflow's REST API does to task instances: clearing gives a new id; requests are answered once."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.instances: dict[str, dict[str, Any]] = {}
        self.request: dict[str, Any] | None = None

    def failed(self, map_index: int = -1) -> dict[str, Any]:
        """A failed task instance of the Dag `load`."""
        path = "/api/v2/dags/load/dagRuns/r%201/taskInstances/prices" + (f"/{map_index}" if map_index >= 0 else "")
        return self.instances.setdefault(
            path,
            {
                "id": str(uuid.uuid4()), "state": "failed", "dag_id": "load", "dag_run_id": "r 1", "task_id": "prices",
                "map_index": map_index,
            },
        )  # fmt: skip

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What is answered to a call."""
        if path == "/auth/token":
            return 201, {"access_token": "t"}
        self.calls.append((method, path, body))
        if self.status != 200:
            return self.status, {"detail": "no"}
        if path.endswith("/clearTaskInstances"):
            return 200, {"total_entries": sum(self._cleared(task) for task in body["task_ids"])}
        if path.endswith("/hitlDetails"):
            return self._asked(method, body)
        found = self.instances.get(path.partition("?")[0])
        if found is None:
            return 404, {"detail": "no such task instance"}
        if method == "PATCH":
            found.update(state=body["new_state"])
        return 200, found

    def _cleared(self, task: Any) -> bool:
        found = self.failed(task[1] if isinstance(task, list) else -1)
        found.update(id=str(uuid.uuid4()), state="success")
        return True

    def _asked(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.request is None:
            return 404, {"detail": "nobody is asked"}
        if method == "PATCH":
            self.request.update(response_received=True, chosen=body["chosen_options"])
        return 200, self.request


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        api: Api = self.server  # type: ignore[assignment]
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        assert self.path == "/auth/token" or self.headers.get("Authorization") == "Bearer t"
        status, told = api.answer(self.command, self.path, body)
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815  the names that the server calls

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    server = Api()
    content = {
        "conn_type": "http",
        "host": "127.0.0.1",
        "port": server.server_address[1],
        "login": "a",
        "password": "b",
    }
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(content))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def decide(incident_id: str, answer: str, **params: object) -> str:
    """Record an answer of a person and carry it out; what was done."""
    from groundwork.operators.incidents.escalation import carry_out, record_answer

    assert record_answer(incident_id, {**ANSWER, "chosen_options": [answer], "params_input": params})
    return carry_out(incident_id)
