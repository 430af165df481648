"""The whole deployment: up, looked at, broken in every part, up again, down without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from typing import Any

import httpx
import psutil
import pytest

from groundwork.local.airflow_api import AirflowApi
from groundwork.model.errors import FatalError
from tests.fix_stack import ANSWER_SECONDS, Stack

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer", "data-api")


def _status(stack: Stack) -> tuple[int, dict[str, Any]]:
    shown = stack.command("status", "--json")
    return shown.returncode, json.loads(shown.stdout)


def _assert_healthy(stack: Stack) -> None:
    code, status = _status(stack)
    assert code == 0, json.dumps(status, indent=1)


def _pids(stack: Stack) -> dict[str, int | None]:
    return {part["name"]: part["pid"] for part in _status(stack)[1]["components"]}


def _processes(stack: Stack) -> list[psutil.Process]:
    """Every living process of the deployment, found without its own records."""
    sessions = set(_pids(stack).values()) - {None}
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        is_living = process.info["status"] != psutil.STATUS_ZOMBIE
        is_below_home = str(process.info["cwd"] or "").startswith(str(stack.home))
        is_postgres = str(process.info["cwd"]) == str(stack.deployment.server(stack.ports).data)
        if is_living and (is_below_home or is_postgres or process.pid in sessions):
            found.append(process)
    return found


def test_status_says_that_all_is_healthy(stack: Stack) -> None:
    code, status = _status(stack)
    assert {part["name"]: part["state"] for part in status["components"]} == {
        "postgresql": "healthy", **dict.fromkeys(_COMPONENTS, "healthy"),
    }  # fmt: skip
    assert {part["name"]: part["state"] for part in status["databases"]} == {
        "airflow": "healthy", "groundwork": "healthy", "warehouse": "healthy",
    }  # fmt: skip
    assert status["import_errors"] == {}
    assert "data_foundation" in status["dags"]
    assert status["lineage_file"] == str(stack.layout.lineage)
    assert status["is_healthy"] is True
    assert code == 0
    assert {"home", "project", "versions", "lineage_events", "latest_run", "dags_folder"} <= set(status)
    assert all(set(part) == set(status["components"][0]) for part in status["components"] + status["databases"])


def test_status_for_people_names_addresses(stack: Stack) -> None:
    shown = stack.command("status")
    assert shown.returncode == 0
    assert stack.airflow_url in shown.stdout
    assert stack.api_url in shown.stdout


def test_a_second_up_leaves_everything_alone(stack: Stack) -> None:
    before = _pids(stack)
    again = stack.command("up")
    assert again.returncode == 0, again.stderr
    assert "already running on port" in again.stderr
    assert again.stderr.count("already") >= 4
    assert _pids(stack) == before


def test_no_secret_is_in_a_command_line_an_environment_or_a_log(stack: Stack) -> None:
    secrets = [path.read_text() for path in stack.layout.secrets.iterdir() if path.suffix != ".json"]
    secrets.append(stack.deployment.server(stack.ports).superuser_password)
    shown = [" ".join(process.info["cmdline"] or []) for process in _processes(stack)]
    for process in _processes(stack):
        try:
            shown.extend(process.environ().values())
        except (psutil.Error, ValueError):  # a process that renamed itself has written over its environment
            continue
    shown.extend(path.read_text(errors="replace") for path in stack.layout.logs.rglob("*.log"))
    assert len(secrets) > 8
    for secret in secrets:
        assert not any(secret in text for text in shown)


def test_airflow_asks_who_is_there(stack: Stack) -> None:
    assert httpx.get(f"{stack.airflow_url}/api/v2/dags", timeout=ANSWER_SECONDS).status_code == 401
    for user, answer in (("viewer", 403), ("user", 403), ("admin", 200)):
        headers = {"Authorization": f"Bearer {stack.token(user)}"}
        found = httpx.get(f"{stack.airflow_url}/api/v2/connections", headers=headers, timeout=ANSWER_SECONDS)
        assert found.status_code == answer
    with (
        AirflowApi(stack.airflow_url, "admin", "wrong") as stranger,
        pytest.raises(FatalError, match="refused") as told,
    ):
        stranger.dags()
    assert "wrong" not in str(told.value)


def test_only_our_plugin_file_was_executed(stack: Stack) -> None:
    headers = {"Authorization": f"Bearer {stack.token()}"}
    with httpx.Client(base_url=f"{stack.airflow_url}/api/v2", headers=headers, timeout=ANSWER_SECONDS) as client:
        plugins = client.get("/plugins").json()["plugins"]
        errors = client.get("/plugins/importErrors").json()
    ours = [plugin["source"] for plugin in plugins if "$PLUGINS_FOLDER" in plugin["source"]]
    assert ours == ["$PLUGINS_FOLDER/groundwork_plugin.py"]
    assert errors["import_errors"] == []


@pytest.mark.parametrize("name", ["scheduler", "data-api"])
def test_a_killed_component_comes_back_alone(stack: Stack, name: str) -> None:
    before = _pids(stack)
    victim = before[name]
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    code, status = _status(stack)
    assert code == 1
    assert {part["state"] for part in status["components"] if part["name"] == name} == {"down"}
    again = stack.command("up")
    assert again.returncode == 0, again.stderr
    assert f"started {name}" in again.stderr
    after = _pids(stack)
    assert after.pop(name) != before.pop(name)
    assert after == before
    _assert_healthy(stack)


def test_everything_killed_at_once_comes_back(stack: Stack) -> None:
    for name, pid in _pids(stack).items():
        assert pid is not None, name
        os.kill(pid, signal.SIGKILL)
    again = stack.command("up")
    assert again.returncode == 0, again.stderr
    _assert_healthy(stack)


def test_the_killed_server_comes_back_with_all_that_needs_it(stack: Stack) -> None:
    stack.deployment.server(stack.ports).kill()
    again = stack.command("up")
    assert again.returncode == 0, again.stderr
    _assert_healthy(stack)


def test_a_component_that_ends_while_it_is_waited_for_is_started_again(stack: Stack) -> None:
    victim = _pids(stack)["data-api"]
    assert victim is not None
    os.kill(victim, signal.SIGSTOP)  # it runs and answers nobody, so `up` waits for it
    with stack.popen("up") as again:
        assert again.stderr is not None
        shown = ""
        while "Groundwork's schema" not in shown:
            line = again.stderr.readline()
            assert line, shown
            shown += line
        time.sleep(2)
        os.kill(victim, signal.SIGKILL)
        shown += again.stderr.read()
    assert again.returncode == 0, shown
    assert "started data-api" in shown
    _assert_healthy(stack)


def test_down_leaves_nothing_and_up_avoids_a_taken_port(stack: Stack) -> None:
    bystander = psutil.Process()
    living = _processes(stack)
    assert len(living) > len(_COMPONENTS)
    down = stack.command("down")
    assert down.returncode == 0, down.stderr
    assert [process for process in living if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert _processes(stack) == []
    assert list(stack.layout.run.glob("*.process.json")) == []
    assert bystander.is_running()
    code, status = _status(stack)
    assert code == 1
    assert {part["state"] for part in status["components"]} == {"down"}

    before = stack.ports
    record = stack.layout.run / "scheduler.process.json"  # as after a crash of the machine: a stranger has the id now
    stranger = {"pid": os.getpid(), "created_at": 1.0, "birth": 1.0, "boot": "x", "digest": "", "log": ""}
    record.write_text(json.dumps(stranger))
    with socket.create_server(("127.0.0.1", before.airflow)):
        again = stack.command("up")
    assert again.returncode == 0, again.stderr
    assert f"port {before.airflow} is used by" in again.stderr
    assert stack.ports.airflow != before.airflow
    assert stack.ports.postgres == before.postgres
    _assert_healthy(stack)
