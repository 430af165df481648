"""What the Dag `governance` needs of Airflow: a governance run from a task's context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.governance.run import GovernanceRun


def governance_run(context: Context | dict[str, Any]) -> GovernanceRun:
    """The run that this task is a step of, with engines, contracts and policies.

    Reads the parameters `domain` and `connection`. Raises: ConfigError when a contract, a policy or a connection is
    missing or wrong.
    """
    from groundwork.contracts.read import read_domain
    from groundwork.governance.policy import read_policies
    from groundwork.governance.run import GovernanceRun
    from groundwork.operators.connections import engine
    from groundwork.settings import STORE_CONNECTION, Settings
    from groundwork.store.base import utc_now

    settings = Settings.from_environment()
    params, instance = context["params"], context["ti"]
    return GovernanceRun(
        warehouse=engine(params["connection"]),
        store=engine(STORE_CONNECTION),
        domain=read_domain(params["domain"], settings.contracts),
        policies=read_policies(settings.policies),
        run_id=instance.run_id,
        actor=f"dag:{instance.dag_id} task:{instance.task_id}",
        now=utc_now(),
    )
