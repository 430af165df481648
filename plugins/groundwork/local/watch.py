"""Follows a Dag run to its end, and brings back whatever part of the deployment dies meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass

from groundwork.local.airflow_api import UNFINISHED, AirflowApi, DagRun, TaskState
from groundwork.local.progress import Progress
from groundwork.local.steps import Steps
from groundwork.local.supervisor import Deployment
from groundwork.model.errors import RetriableError

_POLL_SECONDS = 1.0
_REVIVALS = 3  # how often a dead part is started again before that is given up
_RUN_WITHIN_SECONDS = 1800.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended, with its tasks."""

    run: DagRun
    tasks: tuple[TaskState, ...]


def follow(
    deployment: Deployment, airflow: AirflowApi, dag_id: str, run_id: str, *, display: Progress, steps: Steps
) -> Outcome:
    """Return when the run has ended. Raises: RetriableError when it takes too long or parts keep dying."""
    deadline = time.monotonic() + _RUN_WITHIN_SECONDS
    revivals = 0
    while time.monotonic() < deadline:
        dead = deployment.dead()
        if dead:
            revivals += 1
            if revivals > _REVIVALS:
                raise RetriableError(
                    "parts of the deployment keep ending", where=str(deployment.layout.logs), found=", ".join(dead),
                    next_step="groundwork status",
                )  # fmt: skip
            steps.note(f"{', '.join(dead)} ended; starting again")
            deployment.up(steps)
        run, tasks = airflow.run(dag_id, run_id), tuple(airflow.tasks(dag_id, run_id))
        display.show(tasks)
        if run.state not in UNFINISHED:
            return Outcome(run=run, tasks=tasks)
        time.sleep(_POLL_SECONDS)
    raise RetriableError(
        f"the run has not ended after {_RUN_WITHIN_SECONDS / 60:.0f} minutes",
        where=f"{dag_id} {run_id}",
        next_step="look at it in the UI; the same command goes on with this run",
    )


def wait_for_dag(airflow: AirflowApi, dag_id: str, within_seconds: float = 120) -> None:
    """Return when Airflow has parsed the Dag. Raises: RetriableError with the import errors when it has not in time."""
    deadline = time.monotonic() + within_seconds
    while not airflow.has_dag(dag_id):
        errors = airflow.import_errors()
        if time.monotonic() > deadline or any(dag_id in (error["filename"] or "") for error in errors):
            messages = [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]
            raise RetriableError(
                f"Airflow has no Dag `{dag_id}`", found="\n".join(messages) or "no import error either",
                next_step="repair the Dag file; groundwork status shows import errors",
            )  # fmt: skip
        time.sleep(_POLL_SECONDS)
