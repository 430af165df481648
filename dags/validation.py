"""The Dag `validation`: every check on every table of a domain, kept and scored.

Checks come from the contracts and from the suites in `expectations/`. Results and masked samples go to Groundwork's
store; a failing check of severity error fails the task after everything is kept.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task

from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION

# One task, because importing Great Expectations costs more than all checks of a domain.
with DAG(
    dag_id="validation",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args={"owner": "market-data", "retries": 2, "retry_delay": timedelta(seconds=30)},
    params={
        "domain": Param("market", type="string", description="A folder below governance/contracts"),
        "tables": Param([], type="array", items={"type": "string"}, description="Empty for all tables of the domain"),
    },
    tags=["groundwork", "quality"],
    doc_md=__doc__,
):

    @task(execution_timeout=timedelta(minutes=30))
    def validate() -> dict[str, Any]:
        """Run all checks, keep results and scores, and fail when the data is not good."""
        from groundwork.contracts.read import read_domain
        from groundwork.operators.connections import engine
        from groundwork.operators.errors import airflow_errors
        from groundwork.quality.run import Stage, validate_domain
        from groundwork.settings import Settings

        context = get_current_context()
        settings = Settings.from_environment()
        with airflow_errors():
            report = validate_domain(
                engine(WAREHOUSE_CONNECTION),
                engine(STORE_CONNECTION),
                read_domain(context["params"]["domain"], settings.contracts),
                expectations=settings.expectations,
                run_id=context["run_id"],
                stage=Stage.SCHEDULED,
                tables=context["params"]["tables"] or None,
            )
            report.raise_if_failed()
        return report.to_json()

    validate()
