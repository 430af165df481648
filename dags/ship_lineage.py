"""Lineage goes to a backend, apart from the tasks that tell it.

Tasks append their OpenLineage events to a file and are done; this Dag posts what waits there to the server of the
connection `lineage_backend`, in order and at least once, and remembers how far it came. A backend that is slow, dead or
broken holds up nothing but this Dag. Without the connection the task is skipped and events stay in the file.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="ship_lineage",
    schedule=timedelta(minutes=5),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "lineage"],
    doc_md=__doc__,
    params={"connection": Param("lineage_backend", type="string", description="Airflow connection of the backend")},
    default_args={"owner": "data-platform", "retries": 0},
):

    @task
    def ship(connection: str) -> dict[str, object]:
        """Post what waits, for at most a minute; the next run goes on."""
        from groundwork.operators.lineage_ship import ship_lineage

        return ship_lineage(connection)

    ship("{{ params.connection }}")
