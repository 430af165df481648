"""Faults for which a task's own process is not enough: killed, out of memory or time, standing still, no scheduler."""

from __future__ import annotations

from dataclasses import dataclass

from .fault import Expected, Outcome

KIND = "airflow"
ROWS = 500  # that each task writes
EXECUTION_SECONDS = 15.0  # execution_timeout of the task that runs out of time


@dataclass(frozen=True, kw_only=True)
class AirflowFault(Expected):
    """A fault that is made in a running Airflow; its `task` stands in `lethal`.

    `slept_seconds` is the `retry_delay` that its Dags really have, on both sides; what is counted for it stands in
    `airflow_runner`. `is_stopped`: the task and its supervisor are stopped until another try has ended. `is_served`:
    its source is an API that answered once and then never again. `kills_scheduler`: the scheduler dies with all its
    tasks, so that nothing else may run beside it.
    """

    task: str
    kind: str = KIND
    slept_seconds: float = 2.0
    needs_memory_group: bool = False
    is_stopped: bool = False
    is_served: bool = False
    kills_scheduler: bool = False


AIRFLOW_FAULTS = (
    AirflowFault(
        name="worker killed in the middle of its write",
        task="killed",
        fault_class="worker_lost",
        outcome=Outcome.HEALED,
    ),
    AirflowFault(
        name="worker killed in every try",
        task="killed_always",
        fault_class="worker_lost",
        outcome=Outcome.ESCALATED,
    ),
    AirflowFault(
        name="memory runs out, the kernel kills the worker",
        task="out_of_memory",
        fault_class="resource_exhaustion",
        outcome=Outcome.HEALED,
        needs_memory_group=True,
    ),
    AirflowFault(
        name="task runs out of its time",
        task="out_of_time",
        fault_class="slow_queries",
        outcome=Outcome.HEALED,
    ),
    AirflowFault(
        name="heartbeat lost, the worker comes back later",
        task="stopped",
        fault_class="worker_lost",
        outcome=Outcome.HEALED,
        is_stopped=True,
    ),
    AirflowFault(
        name="API is away for good after a good run",
        task="served",
        fault_class="external_api_failure",
        outcome=Outcome.ON_ALTERNATIVE,
        is_served=True,
    ),
    AirflowFault(
        name="scheduler killed in the middle of a strike",
        task="restarted",
        fault_class="worker_lost",
        outcome=Outcome.HEALED,
        slept_seconds=30.0,  # plain retries shall not come back while the fault still lasts
        kills_scheduler=True,
    ),
)


def chosen_in_airflow(word: str = "") -> tuple[AirflowFault, ...]:
    """Those whose name or kind has `word`."""
    return tuple(each for each in AIRFLOW_FAULTS if word.lower() in f"{each.kind}: {each.name}".lower())
