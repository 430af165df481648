"""The promise of a contract to be fresh, as a deadline of the runs that keep it.

A deadline belongs to a run: it tells that a run which began is late. That no run began at all is found by the check
`freshness` of the table, which every validation makes.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk.definitions.deadline import DeadlineAlert

    from groundwork.flow.pipelines.pipeline import Pipeline

_log = logging.getLogger(__name__)
MISSED = "freshness_promise_missed"  # the audit trail's word


def deadline_of(pipeline: Pipeline) -> DeadlineAlert | None:
    """The deadline of each run; null without a promise, or when only people start runs."""
    if pipeline.freshness_seconds is None or pipeline.schedule is None:
        return None
    from airflow.sdk.definitions.callback import SyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

    promise = {"table": pipeline.qualified_name, "domain": pipeline.domain, "seconds": pipeline.freshness_seconds}
    return DeadlineAlert(
        name=f"{pipeline.qualified_name} is fresh",
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=pipeline.freshness_seconds),
        callback=SyncCallback(promise_missed, kwargs=promise),
    )


def promise_missed(*, table: str, domain: str, seconds: float, context: Any = None, **_: Any) -> None:
    """Keep in the audit trail that a table is not as fresh as promised; Airflow calls this when the deadline passed."""
    run = (context or {}).get("dag_run") or {}
    run_id = run.get("run_id") or run.get("dag_run_id") if isinstance(run, dict) else getattr(run, "run_id", None)
    _log.warning("%s is not as fresh as promised: run %s takes longer than %.0f s", table, run_id, seconds)
    from groundwork.operators.connections import engine
    from groundwork.store.audit import AuditTrail

    details = {"domain": domain, "promised_seconds": seconds, "run_id": run_id}
    AuditTrail(engine(STORE_CONNECTION)).append(
        actor=f"airflow:load of {table}", action=MISSED, subject=f"warehouse:{table}", details=details
    )
