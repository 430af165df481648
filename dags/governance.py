"""Classification, access and retention of a domain, checked against contracts and policies every day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, chain, dag, get_current_context, task

from groundwork.operators.assets import DOMAIN_STAGES, GOVERNED, LOADED, announce, domain_asset
from groundwork.operators.healing import healing
from groundwork.settings import WAREHOUSE_CONNECTION

DOCUMENTATION = """
Compares what the data looks like with what the contracts declare, brings roles, masked views and grants to policy,
tries all of it role by role on the live database, tells what retention would remove (and removes nothing), and verifies
the audit trail. A verdict that policy says must block fails the task `audit`, after everything that protects is done.

Policies: `governance/policies/*.yaml`. Results: `groundwork.column_classification`, `groundwork.policy_verdict`.
"""


@task
def step(name: str) -> dict[str, Any]:
    """One step of the run; its verdicts are stored, its summary returned."""
    from groundwork.operators.governance import governance_run

    found: dict[str, Any] = getattr(governance_run(get_current_context()), name)()
    return found


@task(retries=0, outlets=[DOMAIN_STAGES])
def audit(steps: dict[str, Any]) -> dict[str, Any]:
    """Verify the audit trail and put the report together; fails when a verdict blocks."""
    from groundwork.operators.governance import governance_run

    context = get_current_context()
    report = governance_run(context).conclude(steps)
    context["ti"].xcom_push(key="markdown", value=report.markdown())
    report.raise_if_blocked()
    announce(context, context["params"]["domain"], GOVERNED, context["params"]["connection"])
    return report.to_json()


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("0 5 * * *", timezone="UTC", run_immediately=timedelta()),
        assets=[domain_asset("market", LOADED)],
    ),
    catchup=False,
    max_active_runs=1,
    tags=["groundwork", "governance"],
    doc_md=DOCUMENTATION,
    params={
        "domain": Param("market", type="string", description="Folder below governance/contracts"),
        "connection": Param("warehouse", type="string", description="Airflow connection of the warehouse"),
    },
    default_args=healing(connection_id=WAREHOUSE_CONNECTION, owner="data-platform"),
)
def governance() -> None:
    """Steps in order; the report needs the summary of each."""
    names = ("classify", "apply_access", "verify_access", "retention_dry_run")
    steps = {name: step.override(task_id=name)(name) for name in names}
    chain(*steps.values())
    audit(steps)


governance()
