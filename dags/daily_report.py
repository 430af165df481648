"""The daily report of a domain."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable, Param

from groundwork.operators.assets import GOVERNED, VALIDATED, domain_asset
from groundwork.operators.healing import healing
from groundwork.operators.report import DailyReportOperator

DOCUMENTATION = """
Tells a domain's day: status, findings, issues, recommendations, from what the store and the ledger of loads hold.
Made every morning, and whenever the domain was validated and governed anew. The report is kept (one per day and domain)
and shown on Groundwork's pages.
"""

with DAG(
    dag_id="daily_report",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 6 * * *", timezone="UTC", run_immediately=timedelta()),
        assets=[domain_asset("market", VALIDATED), domain_asset("market", GOVERNED)],
    ),
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "report"],
    doc_md=DOCUMENTATION,
    params={"domain": Param("market", type="string", description="Folder below governance/contracts")},
    default_args=healing(owner="data-platform"),
):
    DailyReportOperator(task_id="report", domain="{{ params.domain }}", step=1)
