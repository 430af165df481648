"""Operators of the workflows that make and change tables: one task per step, and the approval between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowFailException

from groundwork.contracts.read import read_domain
from groundwork.model.errors import ConfigError
from groundwork.model.operation import Operation
from groundwork.operators import connections
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import is_true, names_in
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow

NEW_TABLE, CHANGE_COLUMN = "new_table", "change_column"
_FORCE = ("rewrite", "loss")


class TableWorkflowOperator(GroundworkOperator):
    """One step of a workflow; what it found and why is kept and shown in the log.

    :param table: name of the table, with or without its schema (templated)
    :param accept: what the migration may do beyond the harmless, of `rewrite` and `loss`; a list or text with commas
        (templated)
    :param allow_unannounced: let a breaking change pass that the contract's version does not announce (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "table", "accept", "allow_unannounced")
    operation_kind: ClassVar[str] = "schema"

    def __init__(
        self,
        *,
        table: str,
        accept: str | Sequence[str] = (),
        allow_unannounced: object = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.accept = accept
        self.allow_unannounced = allow_unannounced

    def run(self, context: Context) -> dict[str, Any]:
        """Take the step and return what it found."""
        flow = table_workflow(
            context,
            domain=self.domain,
            table=self.table,
            accept=self.accept,
            connection_id=self.connection_id,
            store_connection_id=self.store_connection_id,
            operation=self.operation,
        )
        result = self._take(flow)
        self.log.info("%s", result.told)
        for reason in result.reasons:
            self.log.info("because: %s", reason)
        return dict(result.found)

    def _take(self, flow: TableWorkflow) -> StepResult:
        from groundwork.foundation.table_workflow import change_column

        step = _steps()[self.task_id.rpartition(".")[2]]
        if step is change_column.update:
            return change_column.update(flow, allow_unannounced=is_true(self.allow_unannounced))
        return step(flow)


class ApproveOperator(HITLOperator):
    """Ask a person before anything locks, rewrites or loses; passes by itself when the migration does none of that.

    The answer is bound to the statements that were shown. A rejection fails the task and nothing is changed.

    :param domain: name of the domain (templated)
    :param table: name of the table (templated)
    :param accept: as of `TableWorkflowOperator` (templated)
    :param connection_id: Airflow connection of the warehouse (templated)
    :param step: number of the step in its flow
    """

    template_fields: Sequence[str] = (
        "subject", "body", "domain", "table", "accept", "connection_id", "store_connection_id",
    )  # fmt: skip
    ui_color = "#f7d9c4"

    def __init__(
        self,
        *,
        domain: str,
        table: str,
        accept: str | Sequence[str] = (),
        connection_id: str = WAREHOUSE_CONNECTION,
        store_connection_id: str = STORE_CONNECTION,
        step: int = 0,
        **kwargs: Any,
    ) -> None:
        from groundwork.foundation.table_workflow.approval import APPROVE, REJECT

        kwargs.setdefault("subject", "A migration needs an approval")
        super().__init__(options=[APPROVE, REJECT], **kwargs)
        self.domain = domain
        self.table = table
        self.accept = accept
        self.connection_id = connection_id
        self.store_connection_id = store_connection_id
        self.step = step

    def execute(self, context: Context) -> Any:
        """Show the plan and wait, or pass when nobody has to be asked.

        A try after the answer does not ask again: Airflow's scheduler can take a resumed task for lost (apache/airflow
        issue 71580) and try it anew.
        """
        from groundwork.foundation.table_workflow import approval

        flow = self._flow(context)
        plan = flow.plan()
        if not approval.is_needed(plan):
            return dict(approval.not_needed(flow, plan).found)
        answered = flow.found(approval.STEP)
        if answered.get("digest") == plan.digest and answered.get("is_approved") is not None:
            return self._passed_on(answered)
        approval.shown(flow, plan)
        self.subject = f"{flow.table.qualified_name}: a migration that locks, rewrites or loses"
        self.body = approval.request(flow, plan)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer; a rejection ends the run."""
        from groundwork.foundation.table_workflow import approval
        from groundwork.operators.incidents.escalation import person_of

        answer = super().execute_complete(context, event)
        flow = self._flow(context)
        result = approval.settle(
            flow,
            flow.plan(),
            is_approved=answer["chosen_options"][0] == approval.APPROVE,
            person=person_of(answer),
        )
        return self._passed_on(result.found)

    def _passed_on(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; a rejection fails the task for good: it is a decision, not a fault to be healed."""
        if not answer["is_approved"]:
            raise AirflowFailException(f"{answer['decided_by']} rejected the migration; nothing was changed")
        return dict(answer)

    def _flow(self, context: Context) -> TableWorkflow:
        name = self.task_id.rpartition(".")[2]
        return table_workflow(
            context,
            domain=self.domain,
            table=self.table,
            accept=self.accept,
            connection_id=self.connection_id,
            store_connection_id=self.store_connection_id,
            operation=Operation(project=self.domain, name=name, step=self.step, kind="migrations"),
        )


def table_workflow(
    context: Context,
    *,
    domain: str,
    table: str,
    accept: str | Sequence[str],
    connection_id: str,
    store_connection_id: str,
    operation: Operation,
) -> TableWorkflow:
    """The workflow that a task belongs to; its run is recorded when it is not yet.

    Raises: ConfigError when no contract declares the table or `accept` holds an unknown word.
    """
    from groundwork.change.stage import Acceptance
    from groundwork.foundation.table_workflow.workflow import TableWorkflow
    from groundwork.store.table_workflow import TableWorkflows

    instance, settings = context["ti"], Settings.from_environment()
    contracts = read_domain(domain, settings.contracts)
    declared = contracts.table(table)
    unknown = sorted(set(names_in(accept)) - {each.value for each in Acceptance})
    if unknown:
        raise ConfigError(
            "there is no such thing to accept", where="accept", expected=" or ".join(_FORCE), found=", ".join(unknown)
        )
    flow = TableWorkflow(
        run_id=f"{instance.dag_id}/{instance.run_id}",
        domain=contracts,
        table=declared,
        warehouse=connections.engine(connection_id),
        store=connections.engine(store_connection_id),
        target=connection_id,
        settings=settings,
        actor=f"airflow:{instance.dag_id}/{instance.run_id}/{instance.task_id}",
        operation=operation,
        accepted=frozenset(Acceptance(name) for name in names_in(accept)),
    )
    TableWorkflows(flow.store).start(
        flow.run_id, kind=instance.dag_id, domain=domain, table=declared.qualified_name, actor=flow.actor
    )
    return flow


class CloseTableWorkflowOperator(TableWorkflowOperator):
    """Record how the run ended; runs whatever happened before it."""

    def run(self, context: Context) -> dict[str, Any]:
        """Return the state that was recorded."""
        from groundwork.store.table_workflow import TableWorkflows

        instance = context["ti"]
        run_id = f"{instance.dag_id}/{instance.run_id}"
        workflows = TableWorkflows(self.store)
        steps = [step["step"] for step in workflows.steps(run_id)]
        is_success = not steps or steps[-1] == "verify_sync"
        workflows.finish(run_id, is_success=is_success)
        return {"state": "success" if is_success else "failed", "steps": steps}


def _steps() -> dict[str, Callable[[TableWorkflow], StepResult]]:
    from groundwork.foundation.table_workflow import change_column, migrating, new_table, repository_trial, success

    return {
        "define": new_table.define,
        "validate": migrating.validate,
        "design_review": new_table.design_review,
        "generate_migration": migrating.generate_migration,
        "query_review": new_table.query_review,
        "apply": migrating.apply,
        "model": migrating.model,
        "repository": repository_trial.repository,
        "verify_sync": success.verify_sync,
        "compare": change_column.compare,
        "update": change_column.update,
        "impact_review": change_column.impact_review,
        "migration": migrating.generate_migration,
        "query_tests": change_column.query_tests,
    }
