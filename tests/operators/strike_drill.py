"""A Dag that fails in every way ORBT knows; run as a program it runs itself and prints what Airflow made of it.

Not a test: `test_strikes_in_airflow.py` runs it in a process of its own, because Airflow reads its settings at import.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from groundwork.operators.decision import DecisionOperator
from groundwork.operators.retry_policy import RETRIES, StrikePolicy

with DAG(
    "strike_drill",
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    default_args={
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=1),
        "retry_policy": StrikePolicy(connection_id="warehouse"),
    },
) as drill:

    @task
    def always_away() -> None:
        """Three strikes."""
        raise ConnectionResetError("the source hung up, password=hunter2")

    @task
    def heals() -> None:
        """One strike, then success."""
        from airflow.sdk import get_current_context

        if get_current_context()["ti"].try_number == 1:
            raise ConnectionResetError("the source hung up once")

    @task
    def wrong() -> None:
        """A mistake that no retry mends."""
        raise KeyError("no such setting")

    @task
    def refused() -> None:
        """Airflow does not ask the policy about this one."""
        raise AirflowFailException("must not be tried again")

    always_away()
    heals()
    wrong()
    refused()
    DecisionOperator(
        task_id="decide",
        domain="{{ 'mar' }}ket",
        tables="orders,stock_prices",
        model_connection_id="claude",
        step=2,
    )


def _run() -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from sqlalchemy import select

    initdb()
    run = drill.test(logical_date=None)
    tries = {each.task_id: [str(each.state), each.try_number] for each in run.get_task_instances()}
    decisions = next(each for each in run.get_task_instances() if each.task_id == "decide").xcom_pull(
        task_ids="decide", dag_id="strike_drill", run_id=run.run_id
    )
    with create_session() as session:
        escalations = session.scalars(select(DagRun).where(DagRun.dag_id == "escalation")).all()
        runs = {each.run_id: each.conf for each in escalations}
    told = {"run_id": run.run_id, "tries": tries, "escalations": runs, "decisions": decisions}
    sys.stdout.write(f"\nRESULT {json.dumps(told)}\n")


if __name__ == "__main__":
    _run()
