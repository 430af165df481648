"""OpenLineage events of their own for each dbt model that one task built, as children of the task's run.

They are sent where the provider asks for a task's facets: in a process of its own, with a time limit, after the task's
state is written. So neither a failing nor a slow transport reaches the task.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from groundwork.model.lineage import Lineage
from groundwork.model.operation import Operation
from groundwork.operators.lineage import PRODUCER, input_datasets, output_datasets, run_facet

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

    from groundwork.transform.lineage import ModelLineage

_LOG = logging.getLogger(__name__)
_NAMES = uuid.UUID("6d2f6c0e-6a3b-5e0e-9d3c-0f3b7a1c2d4e")  # any fixed one: the same try gives the same ids


@dataclass(frozen=True, kw_only=True)
class ParentRun:
    """The task's run, as the provider names it."""

    namespace: str
    job: str
    run_id: str

    @classmethod
    def of(cls, task_instance: Any) -> ParentRun:
        """The run of a task that is running or has just ended."""
        from airflow.providers.openlineage.plugins import macros as typed_nowhere

        macros: Any = typed_nowhere
        return cls(
            namespace=macros.lineage_job_namespace(),
            job=macros.lineage_job_name(task_instance),
            run_id=str(macros.lineage_run_id(task_instance)),
        )


def emit_models(models: Sequence[ModelLineage], operation: Operation, task_instance: Any) -> int:
    """Send the events of every model and its tests; the number sent. What goes wrong is logged and raises nothing."""
    try:
        from airflow.providers.openlineage.api.core import emit, is_openlineage_active

        if not is_openlineage_active():
            return 0
        events = list(model_events(models, operation, ParentRun.of(task_instance)))
        for event in events:
            emit(event)
    except Exception:  # lineage is worth less than the run it describes
        _LOG.warning("the lineage of single models was not sent", exc_info=True)
        return 0
    return len(events)


def model_events(models: Sequence[ModelLineage], operation: Operation, parent: ParentRun) -> Iterator[RunEvent]:
    """START and COMPLETE or FAIL of every model, and COMPLETE of its tests, in the order in which they ran."""
    from openlineage.client.event_v2 import RunState

    for model in models:
        own = Operation(
            project=operation.project, name=model.name, tool="dbt", step=operation.step, kind=operation.kind
        )
        begun, ended = model.started_at or _now(), model.finished_at or _now()
        yield _event(RunState.START, begun, model.name, own, parent, Lineage())
        end = RunState.COMPLETE if model.is_good else RunState.FAIL
        yield _event(end, ended, model.name, own, parent, model.made, message=model.message)
        if model.tested is not None:
            yield _event(RunState.COMPLETE, ended, f"{model.name}.test", own, parent, model.tested)


def _event(
    state: Any,
    at: str,
    name: str,
    operation: Operation,
    parent: ParentRun,
    lineage: Lineage,
    *,
    message: str | None = None,
) -> RunEvent:
    from openlineage.client.event_v2 import Job, Run, RunEvent
    from openlineage.client.facet_v2 import error_message_run, job_type_job, parent_run, sql_job

    of_run: dict[str, Any] = {
        "groundwork": run_facet(operation),
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=parent.run_id), job=parent_run.Job(namespace=parent.namespace, name=parent.job)
        ),
    }
    if message:
        of_run["errorMessage"] = error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="SQL")
    of_job: dict[str, Any] = {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="DBT", jobType="TEST" if name.endswith(".test") else "MODEL"
        )
    }
    if lineage.sql:
        of_job["sql"] = sql_job.SQLJobFacet(query=lineage.sql)
    return RunEvent(
        eventType=state,
        eventTime=at,
        run=Run(runId=str(uuid.uuid5(_NAMES, f"{parent.run_id}/{name}")), facets=of_run),
        job=Job(namespace=parent.namespace, name=f"{parent.job}.{name}", facets=of_job),
        inputs=input_datasets(lineage),
        outputs=output_datasets(lineage),
        producer=PRODUCER,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
