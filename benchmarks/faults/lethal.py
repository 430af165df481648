"""Tasks that lose their process, their time or their scheduler; each with ORBT and with Airflow's own retries.

A file of Dags: `airflow_site` copies it into the project of a running Airflow. Each task but the one that loads from an
API writes the same rows in one transaction, and meets its fault in the middle of it, so that rows tell whether the work
was done once, twice or half.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, get_current_context

from groundwork.operators.connections import engine
from groundwork.operators.healing import healing
from groundwork.operators.integration import LoadOperator

FOLDER = Path(os.environ.get("GROUNDWORK_PROJECT", "."))
TOLD = json.loads((FOLDER / "lethal.json").read_text(encoding="utf-8"))  # what the suite wants of its Dags
_INSERT = "INSERT INTO public.done SELECT %s, %s, number FROM generate_series(%s::int, %s::int) AS number"
_PIECE_BYTES = 16 << 20
_STOPPED_SECONDS = 600.0  # for which a task waits at most to be stopped and continued


def be_killed(_: str) -> None:
    """As an operator of the machine does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def exhaust_memory(side: str) -> None:
    """Take more than the control group has, until the kernel ends this process."""
    Path(TOLD["memory_groups"][side], "cgroup.procs").write_text(str(os.getpid()), encoding="utf-8")
    held = [os.urandom(_PIECE_BYTES) for _ in range(40)]
    raise RuntimeError(f"the kernel let this process have {len(held)} pieces")


def sleep(_: str) -> None:
    """Longer than the task may."""
    time.sleep(120)


def wait_to_be_stopped(side: str) -> None:
    """Say who this is, be stopped, and go on at once when continued."""
    (FOLDER / f"{side}.pid").write_text(str(os.getpid()), encoding="utf-8")
    until = time.monotonic() + _STOPPED_SECONDS
    while not (FOLDER / "continue").exists() and time.monotonic() < until:
        time.sleep(0.02)


FIRST: dict[str, Callable[[str], None]] = {  # what the first try of a task meets
    "killed": be_killed,
    "out_of_memory": exhaust_memory,
    "out_of_time": sleep,
    "stopped": wait_to_be_stopped,
}
ALWAYS = {"killed_always": be_killed}
CONNECTIONS = {"restarted": "swallowed"}  # else the warehouse, straight


def work(side: str, name: str) -> None:
    """Write the rows of a task in one transaction, with its fault between the two halves."""
    rows, is_first = TOLD["rows"], get_current_context()["ti"].try_number == 1
    middle = FIRST.get(name) if is_first and name in FIRST else ALWAYS.get(name)
    with engine(CONNECTIONS.get(name, "warehouse")).begin() as session:
        session.exec_driver_sql(_INSERT, (side, name, 1, rows // 2))
        if middle is not None:
            middle(side)
        session.exec_driver_sql(_INSERT, (side, name, rows // 2 + 1, rows))


def make_dag(side: str, name: str) -> None:
    """A Dag of one task, which differs between the two sides only in who decides about its retries."""
    limit = TOLD["execution_seconds"].get(name)
    ours = healing(connection_id=CONNECTIONS.get(name)) if side == "orbt" else {"retries": TOLD["plain_retries"]}
    with DAG(
        f"{side}_{name}",
        schedule=None,
        is_paused_upon_creation=False,
        default_args={**ours, "retry_delay": timedelta(seconds=TOLD["slept_seconds"][name])},
    ):
        if name == "served":
            LoadOperator(task_id=name, domain="shop", tables=["quotes"])
            return
        PythonOperator(
            task_id=name,
            python_callable=work,
            op_args=[side, name],
            execution_timeout=timedelta(seconds=limit) if limit else None,
        )


for _name in TOLD["slept_seconds"]:
    for _side in TOLD["sides"]:
        make_dag(_side, _name)
