"""What the escalation does with a person's answer, on a real store; Airflow itself is asked elsewhere."""

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

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_ANSWER = {"chosen_options": ["ignore"], "params_input": {}, "responded_by_user": {"id": "7", "name": "ann"}}


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


def _instance(try_number: int = 3, map_index: int = -1, **task: object) -> SimpleNamespace:
    from groundwork.operators.retry_policy import StrikePolicy

    whole = {"outlets": [], "retry_policy": StrikePolicy(), "has_retry_policy": True, **task}
    return SimpleNamespace(
        dag_id="load", run_id="r 1", task_id="prices", map_index=map_index, try_number=try_number, state="failed",
        task=SimpleNamespace(**whole, get_flat_relative_ids=lambda upstream: set()),
    )  # fmt: skip


@pytest.fixture
def incident_id(store: Engine) -> str:
    instance = _instance()
    instance.task.retry_policy.respond(ConnectionResetError("gone"), instance, has_try_left=False)
    return str(Incidents(store).latest()[0]["id"])


def test_an_answer_is_recorded_once_and_audited(store: Engine, incident_id: str) -> None:
    from groundwork.operators.escalation import carry_out, record_answer

    assert record_answer(incident_id, _ANSWER)
    assert not record_answer(incident_id, {**_ANSWER, "chosen_options": ["retry"]})
    assert carry_out(incident_id) == "ignored by a person"
    assert "nothing was done" in carry_out(incident_id)
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert (row["state"], row["answer"], row["answered_by"]) == ("resolved", "ignore", "person:ann")
    assert [row["actor"] for row in AuditTrail(store).latest()] == ["person:ann", "orbt"]


def test_nothing_is_carried_out_that_nobody_decided(incident_id: str) -> None:
    from groundwork.operators.escalation import carry_out

    with pytest.raises(ConfigError, match="nobody has decided"):
        carry_out(incident_id)


class _Api(ThreadingHTTPServer):
    """A stand-in for Airflow's REST API that keeps what it is asked."""

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.calls: list[tuple[str, str | None, dict[str, Any]]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        api: _Api = self.server  # type: ignore[assignment]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        api.calls.append((self.path, self.headers.get("Authorization"), body))
        is_token = self.path == "/auth/token"
        content = json.dumps({"access_token": "t"} if is_token else {"total_entries": 2}).encode()
        self.send_response(201 if is_token else api.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's output quiet."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Api]:
    server = _Api()
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


def test_retry_clears_exactly_what_failed(store: Engine, incident_id: str, api: _Api) -> None:
    from groundwork.operators.escalation import carry_out, record_answer

    mapped = _instance(map_index=4)
    mapped.task.retry_policy.respond(ConnectionResetError("gone"), mapped, has_try_left=False)
    record_answer(incident_id, {**_ANSWER, "chosen_options": ["retry"]})
    assert carry_out(incident_id) == "cleared 2 task instance(s) in 1 run(s) of load"
    (_, (path, token, body)) = api.calls
    assert (path, token) == ("/api/v2/dags/load/clearTaskInstances", "Bearer t")
    assert body["dag_run_id"] == "r 1"
    assert body["task_ids"] == ["prices", ["prices", 4]]
    assert (body["dry_run"], body["only_failed"], body["include_downstream"]) == (False, True, True)
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert row["state"] == "answered", "it is resolved when the task succeeds"
    assert "cleared 2" in row["timeline"][-1]["what"]


def test_an_api_that_refuses_is_told_with_the_next_step(store: Engine, incident_id: str, api: _Api) -> None:
    from groundwork.operators.escalation import carry_out, record_answer

    api.status = 403
    record_answer(incident_id, {**_ANSWER, "chosen_options": ["retry"]})
    with pytest.raises(ConfigError) as caught:
        carry_out(incident_id)
    assert "403" in str(caught.value)
    assert "airflow_api" in str(caught.value)
    assert Incidents(store).get(uuid.UUID(incident_id))["state"] == "answered"


def test_an_api_that_is_away_is_worth_another_try(
    store: Engine, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.escalation import carry_out, record_answer

    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", "http://a:b@127.0.0.1:1")
    record_answer(incident_id, {**_ANSWER, "chosen_options": ["retry"]})
    with pytest.raises(RetriableError):
        carry_out(incident_id)


def test_a_closed_incident_is_not_asked_about_and_an_answered_one_not_again(store: Engine, incident_id: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from groundwork.operators.escalation import AskPersonOperator, carry_out, record_answer

    ask = AskPersonOperator(task_id="ask", incident_id=incident_id)
    record_answer(incident_id, _ANSWER)
    assert ask.execute({})["chosen_options"] == ["ignore"]
    carry_out(incident_id)
    with pytest.raises(AirflowSkipException):
        ask.execute({})


def test_a_killed_worker_is_a_strike_once_and_a_person_setting_the_state_is_none(store: Engine) -> None:
    from groundwork.operators import listener

    lost = _instance(try_number=1)
    lost.state = "up_for_retry"
    for _ in range(2):
        listener.on_task_instance_failed(previous_state="running", task_instance=lost, error="heartbeat timed out")
    by_hand = _instance(try_number=2)
    listener.on_task_instance_failed(previous_state=None, task_instance=by_hand, error="set to failed by hand")
    foreign = _instance(try_number=2, has_retry_policy=False)
    listener.on_task_instance_failed(previous_state="running", task_instance=foreign, error="heartbeat timed out")
    (row,) = Strikes(store).latest()
    assert (row["fault_class"], row["try_number"], row["action"]) == ("worker_lost", 1, "retry")


def test_a_worker_lost_for_good_opens_an_incident(store: Engine) -> None:
    from groundwork.operators import listener

    listener.on_task_instance_failed(previous_state="running", task_instance=_instance(), error="heartbeat timed out")
    assert Incidents(store).latest("open")[0]["fault_class"] == "worker_lost"


def test_the_sweep_takes_in_what_waits(store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.operators import connections
    from groundwork.operators.escalation import sweep

    instance = _instance()
    with monkeypatch.context() as away:
        away.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", "postgres://a:b@127.0.0.1:1/x")
        connections.engine.cache_clear()
        decision = instance.task.retry_policy.evaluate(ConnectionResetError("gone"), 3, 2, {"ti": instance})
        assert decision.action.value == "fail"
        connections.engine.cache_clear()
    assert len(list((tmp_path / "spool").iterdir())) == 1
    assert sweep() == {"strikes_taken_in": 1, "open_incidents": 1, "escalations_running": 0}
    assert len(Incidents(store).latest("open")) == 1


def test_a_policy_that_cannot_work_leaves_it_to_airflow(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWORK_PROJECT", "/nowhere")
    instance = _instance()
    assert instance.task.retry_policy.evaluate(RuntimeError(), 1, 2, {"ti": instance}).action.value == "default"
    assert instance.task.retry_policy.evaluate(RuntimeError(), 1, 2, None).action.value == "default"


def test_the_dags_read_like_their_flow() -> None:
    import importlib.util

    path = Path(__file__).parents[2] / "dags" / "escalation.py"
    spec = importlib.util.spec_from_file_location("escalation_dag", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.escalation.dag_id == "escalation"
    assert module.escalation.get_task("ask").downstream_task_ids == {"carry_out"}
    assert module.escalation.get_task("ask").retries == 5
    assert module.escalation_sweep.task_ids == ["sweep"]
    assert module.escalation_sweep.max_active_runs == 1
