"""Every night a backup of each table that a contract declares, one file per table, all of a domain at one moment.

Where they are kept and how many is said in `governance/policies/backup.yaml`; `groundwork backup list` shows them, and
the remedy `restore_backup` puts the newest one beside its table.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, task

with DAG(
    dag_id="backup",
    schedule="15 2 * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "orbt"],
    doc_md=__doc__,
    params={"connection": Param("warehouse", type="string", description="Airflow connection of the database")},
    default_args={"owner": "data-platform", "retries": 2, "retry_delay": timedelta(minutes=5)},
):

    @task
    def domains() -> list[str]:
        """The domains that have contracts."""
        from groundwork.operators.backup import domains_to_back_up

        return domains_to_back_up()

    @task(max_active_tis_per_dagrun=1)
    def back_up(domain: str, connection: str) -> dict[str, object]:
        """Back up every table of one domain."""
        from groundwork.operators.backup import back_up_domain

        return back_up_domain(domain, connection)

    back_up.partial(connection="{{ params.connection }}").expand(domain=domains())
