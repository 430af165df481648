"""Looks in the store for what asks for a person at once.

Goes through the rules of `governance/policies/alarms.yaml` that watch what runs have recorded; each new finding opens
an incident and is told. May be repeated.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task

with DAG(
    dag_id="alarms",
    schedule=timedelta(minutes=10),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["groundwork", "orbt"],
    doc_md=__doc__,
    default_args={"owner": "orbt", "retries": 2, "retry_delay": timedelta(seconds=30)},
):

    @task
    def scan() -> dict[str, object]:
        """Raise what is new."""
        from groundwork.operators.incidents.alarms import scan_alarms

        return scan_alarms()

    scan()
