"""The task that a fault is made for, as Airflow hands it to hooks and policies: of a real Dag, with a later task."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

from .fault import Fault

DAG_ID, RUN_ID = "shop_day", "r1"
WRITING, READING = "work", "read"  # ids of the task, by whether it changes its target


@cache
def _work_operator() -> type:
    from airflow.sdk import BaseOperator

    class WorkOperator(BaseOperator):
        """A task on the warehouse, as far as ORBT looks at one."""

        def __init__(self, *, connection_id: str, table: str | None, is_writing: bool, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.connection_id = connection_id
            self.table = table
            self.is_writing = is_writing
            self.domain = "shop"

        def execute(self, context: Any) -> None:
            """Nothing: the work of a fault is called by its runner."""

    return WorkOperator


def task_of(fault: Fault) -> Any:
    """The task of a real Dag, with what waits for it."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    from groundwork.operators.assets import table_asset
    from groundwork.operators.healing import healing

    with DAG(DAG_ID, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), default_args=healing()):
        work = _work_operator()(
            task_id=WRITING if fault.is_writing else READING,
            connection_id="warehouse",
            table=fault.table,
            is_writing=fault.is_writing,
            outlets=[table_asset("shop", "orders", "warehouse")],
        )
        work >> EmptyOperator(task_id="report")
    return work


def context_of(task: Any, number: int) -> dict[str, Any]:
    """The context of one of its tries."""
    instance = SimpleNamespace(
        dag_id=DAG_ID,
        run_id=RUN_ID,
        task_id=task.task_id,
        map_index=-1,
        try_number=number,
        max_tries=2,
        task=task,
        id=None,
    )
    context = {
        "ti": instance,
        "task_instance": instance,
        "task": task,
        "dag": task.dag,
        "run_id": RUN_ID,
        "params": {"domain": "shop"},
    }
    instance.get_template_context = lambda: context
    instance.xcom_push = lambda **_: None
    return context
