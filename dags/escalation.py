"""A person decides about an incident that ORBT could not mend; the sweep makes sure that everyone is asked.

`escalation` is started once per incident with `{"incident_id": …}`; `escalation_sweep` every ten minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Param, task

from groundwork.operators.incidents.escalation import DAG_ID, AskPersonOperator

_MOST_INCIDENTS = 10_000  # at once: a run waits, at no cost, for as long as nobody answers, and must not hold up others
_RETRIES = {"retries": 5, "retry_delay": timedelta(seconds=30), "retry_exponential_backoff": True}

with DAG(
    DAG_ID,
    schedule=None,
    catchup=False,
    max_active_runs=_MOST_INCIDENTS,
    max_active_tasks=_MOST_INCIDENTS,
    is_paused_upon_creation=False,
    default_args={"owner": "orbt", **_RETRIES},
    params={"incident_id": Param(type="string", format="uuid", description="The incident to decide about.")},
    tags=["groundwork", "orbt"],
    doc_md=__doc__,
) as escalation:
    ask = AskPersonOperator(
        task_id="ask",
        incident_id="{{ params.incident_id }}",
        retry_delay=timedelta(seconds=5),
        retry_exponential_backoff=False,
    )

    @task
    def carry_out(incident_id: str) -> str:
        """Do what the person decided and record it."""
        from groundwork.operators.incidents import escalation as rules

        return rules.carry_out(incident_id)

    ask >> carry_out("{{ params.incident_id }}")

with DAG(
    f"{DAG_ID}_sweep",
    schedule=timedelta(minutes=10),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={"owner": "orbt", "retries": 2, "retry_delay": timedelta(seconds=30)},
    tags=["groundwork", "orbt"],
    doc_md=__doc__,
) as escalation_sweep:

    @task
    def sweep() -> dict[str, int]:
        """Take in waiting strikes and start escalations that did not start."""
        from groundwork.operators.incidents import escalation as rules

        return rules.sweep()

    sweep()
