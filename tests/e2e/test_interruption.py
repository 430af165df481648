"""Whatever is killed in the middle of a run that was forced, the next demo ends green with the same rows."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import psutil
import pytest

from groundwork.local.airflow_api import UNFINISHED
from tests.fix_demo import Demonstrated
from tests.fix_stack import Stack

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_PATIENCE_SECONDS = 600


def wait_for_task(stack: Stack, known: set[str], label: str) -> None:
    """Wait until the new run of the foundation has reached a task."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with stack.airflow() as airflow:
        while time.monotonic() < deadline:
            fresh = [run for run in airflow.runs("data_foundation") if run.run_id not in known]
            states = {task.label: task.state for run in fresh for task in airflow.tasks("data_foundation", run.run_id)}
            if any(name.startswith(label) and state in {"running", "success"} for name, state in states.items()):
                return
            time.sleep(0.3)
    raise AssertionError(f"the run did not reach {label}")


def kill_postgres(stack: Stack) -> None:
    stack.deployment.server(stack.ports).kill()


def kill_airflow(stack: Stack) -> None:
    for name in ("scheduler", "api-server", "dag-processor", "triggerer"):
        record = stack.deployment.record(name)
        assert record is not None
        parent = psutil.Process(record.pid)
        for process in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # some end by themselves meanwhile
                process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("kill", "at"),
    [(kill_postgres, "data_integration.load"), (kill_airflow, "data_access_layer.gate")],
    ids=["PostgreSQL in the load", "Airflow in a gate"],
)
def test_the_next_demo_ends_green_with_the_same_rows(demonstrated: Demonstrated, kill: object, at: str) -> None:
    stack, before = demonstrated.stack, demonstrated.rows()
    with stack.airflow() as airflow:
        known = {run.run_id for run in airflow.runs("data_foundation") if run.state not in UNFINISHED}
    running = stack.popen("demo", "--force")
    try:
        wait_for_task(stack, known, at)
        kill(stack)
    finally:
        running.terminate()
        running.communicate(timeout=_PATIENCE_SECONDS)
    again = stack.run_demo()
    assert again.returncode == 0, again.stdout + again.stderr
    assert demonstrated.rows() == before
    assert stack.command("status").returncode == 0
