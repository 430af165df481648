"""Every check on every table of a domain, kept and scored."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from groundwork.operators.assets import LOADED, domain_asset
from groundwork.operators.healing import healing
from groundwork.operators.integration import ValidateDataOperator
from groundwork.settings import WAREHOUSE_CONNECTION

DOCUMENTATION = """
Runs the checks that the contracts declare and the suites in `expectations/`, when a domain was loaded and every
morning. Results, masked samples and scores go to Groundwork's store; a failing check of severity error fails the task
after everything is kept. One task, because importing Great Expectations costs more than all checks of a domain.
"""

with DAG(
    dag_id="validation",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 5 * * *", timezone="UTC", run_immediately=timedelta()),
        assets=[domain_asset("market", LOADED)],
    ),
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "quality"],
    doc_md=DOCUMENTATION,
    params={
        "domain": Param("market", type="string", description="Folder below governance/contracts"),
        "tables": Param("", type="string", description="Names with commas between; empty for all tables"),
    },
    default_args=healing(connection_id=WAREHOUSE_CONNECTION, owner="data-platform"),
):
    ValidateDataOperator(
        task_id="validate", domain="{{ params.domain }}", tables="{{ params.tables }}", stage="scheduled", step=1
    )
