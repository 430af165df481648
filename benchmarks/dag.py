"""The whole Dag against the sum of its work: what orchestration costs on top of the tasks.

Runs `data_foundation` once more on the local deployment (which has to be up) and prints, as the last line,
`ratio of the whole Dag to the sum of its work: N`: wall-clock seconds of the run over the seconds its tasks ran.
Below 1 tasks ran side by side; above 1 the run waited for scheduling.
"""

from __future__ import annotations

import argparse
import sys
import time

from groundwork.local.airflow_api import UNFINISHED, AirflowApi, TaskState
from groundwork.local.demo import DAG
from groundwork.local.environment import password
from groundwork.local.layout import Layout
from groundwork.local.progress import in_order
from groundwork.local.supervisor import Deployment


def main() -> int:
    """Run the benchmark; the exit code is 1 when the run did not succeed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--domain", default="market")
    domain = parser.parse_args().domain
    layout = Layout.from_environment()
    with AirflowApi(Deployment(layout=layout).ports().airflow_url, "admin", password(layout, "admin")) as airflow:
        run_id = airflow.trigger(DAG, {"domain": domain})
        while (run := airflow.run(DAG, run_id)).state in UNFINISHED:
            time.sleep(0.5)
        tasks = airflow.tasks(DAG, run_id)
    if run.started_at is None or run.ended_at is None:
        raise RuntimeError(f"the run {run_id} ended without times")
    _print(tasks, (run.ended_at - run.started_at).total_seconds(), run.state)
    return 0 if run.state == "success" else 1


def _print(tasks: list[TaskState], whole: float, state: str) -> None:
    for task in in_order(tasks):
        sys.stdout.write(f"{task.label:<48} {task.state or '':<16} {task.seconds or 0:8.1f} s\n")
    work = sum(task.seconds or 0 for task in tasks)
    sys.stdout.write(f"run {state}: {whole:.1f} s; sum of its {len(tasks)} tasks: {work:.1f} s\n")
    sys.stdout.write(f"ratio of the whole Dag to the sum of its work: {whole / work:.2f}\n")


if __name__ == "__main__":
    sys.exit(main())
