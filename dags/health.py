"""The look at the health of all pipelines, every ten minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from groundwork.operators.health import WatchHealthOperator

DOCUMENTATION = """
Measures every pipeline's runs, those of other Dags that ORBT heals as Airflow's API tells them, streams, databases,
replication slots and disk, and warns of what will go wrong: a limit that comes close, a trend with the date it reaches
its limit, a step. Warnings are told once, shown on the page Health and by `groundwork health`, and cleared by
themselves. Measurements are kept for sixty days (`groundwork.measurement`).
"""

with DAG(
    dag_id="health",
    schedule=timedelta(minutes=10),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["groundwork", "orbt"],
    doc_md=DOCUMENTATION,
    # Not healed: an open breaker of the warehouse must not keep the look from telling so.
    default_args={"owner": "orbt", "retries": 2, "retry_delay": timedelta(seconds=30)},
):
    WatchHealthOperator(task_id="watch", execution_timeout=timedelta(minutes=8))
