"""Failures that the retry policy is never asked about, successes after failures, and the hook before each try.

Airflow calls these hooks in the task's process, and in the scheduler for tasks whose process was killed. This module is
imported in every process of Airflow, so it imports nothing that costs time until a task of ours fails. Only tasks with
a retry policy of ours are looked at.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from airflow.listeners import hookimpl

_log = logging.getLogger(__name__)
_ENDED_WELL = ("finished with state success", "finished with state taskinstancestate.success")
_NOT_ASKED = {"AirflowFailException", "AirflowSensorTimeout", "AirflowTaskTerminated"}  # Airflow fails these at once


@hookimpl
def on_starting(component: Any) -> None:
    """Load what stands before each try where tasks are forked from, so that no task's own process has to."""
    if type(component).__name__ == "TaskRunnerMarker":
        return
    from groundwork.operators.tries import preload  # noqa: F401  importing it is what it does


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:
    """Let a task with our policy ask before it begins, even where its own `pre_execute` took our place."""
    try:
        if _policy(task_instance) is not None:
            from groundwork.operators.healing import attach

            attach(task_instance.task)
    except Exception:
        _log.exception("nothing stands before the try of %s", getattr(task_instance, "task_id", "a task"))


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any, error: Any) -> None:
    """Record a strike when the policy could not: no retry allowed by the exception, or the process was killed."""
    try:
        if isinstance(error, BaseException):
            _refused_retry(task_instance, error)
        elif previous_state is not None:  # null when a person set the state by hand: that is no failure
            _lost_worker(task_instance, str(error))
    except Exception:
        _log.exception("the strike of %s could not be recorded", getattr(task_instance, "task_id", "a task"))


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Mark earlier strikes healed and close the incident when a task succeeds that had failed; tell its breakers."""
    try:
        policy = _policy(task_instance)
        if policy is None:
            return
        from groundwork.operators.tries.try_success import succeeded

        succeeded(policy, task_instance)
        if getattr(task_instance, "try_number", 1) <= 1:
            return
        from groundwork.operators.tries.try_state import task_try_of
        from groundwork.store.base import utc_now

        responder, this = policy.responder(), task_try_of(task_instance)
        try:
            book = responder.book()
            responder.spool.drain(book)
            book.succeeded(this)
        except Exception:  # whatever the store's trouble is, the success must not be lost
            responder.spool.add_success(this, utc_now())
            raise
    except Exception:
        _log.exception("the healed strikes of %s could not be recorded", getattr(task_instance, "task_id", "a task"))


@hookimpl
def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:
    """Give the place of a probe away that was skipped."""
    try:
        policy = _policy(task_instance)
        if policy is not None:
            from groundwork.operators.tries.try_success import given_up

            given_up(policy, task_instance)
    except Exception:
        _log.exception("the end of %s could not be told", getattr(task_instance, "task_id", "a task"))


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Find last tries that ended without a word: their process was killed, and no try follows that would notice.

    Runs in the scheduler, within its own session, which is only read.
    """
    try:
        from groundwork.operators.tries.lost_runs import tell_lost_last_tries

        tell_lost_last_tries(dag_run)
    except Exception:
        _log.exception("the last tries of %s could not be looked at", getattr(dag_run, "run_id", "a run"))


def _refused_retry(task_instance: Any, error: BaseException) -> None:
    if type(error).__name__ in _NOT_ASKED:
        policy = _policy(task_instance)
        if policy is not None:
            policy.respond(error, task_instance, has_try_left=False)


def _lost_worker(task_instance: Any, told: str) -> None:
    """Strike of a killed process; Airflow decides by itself about the retry, `state` tells which way it went.

    Runs in the scheduler: when the store does not answer in time, the strike goes to the spool. The escalation is
    started by the sweep, because a scheduler has no supervisor to ask.
    """
    if not getattr(getattr(task_instance, "task", None), "has_retry_policy", True):
        return
    from groundwork.model.fault import WORKER_LOST, Circumstances, Fault
    from groundwork.operators.retry_policy import StrikePolicy, forget_engines
    from groundwork.operators.tries.circumstances import impact_of
    from groundwork.operators.tries.lost_tries import OUT_OF_MEMORY, lost_fault
    from groundwork.operators.tries.try_state import task_try_of
    from groundwork.orbt.redaction import redact

    is_retried = str(getattr(task_instance, "state", "")).rpartition(".")[2].lower() == "up_for_retry"
    if is_retried and any(each in told.lower() for each in _ENDED_WELL):
        _log.warning("%s was queued anew before its process's good end was noticed: no failure", task_instance.task_id)
        return
    responder = StrikePolicy().responder()
    this = task_try_of(task_instance)
    fault, where = lost_fault(responder.home, this, Circumstances(target=responder.target))
    if fault.fault_class != OUT_OF_MEMORY:
        fault = Fault(fault_class=WORKER_LOST, exception="none", message=redact(told))
    try:
        responder.respond(fault, this, impact_of(task_instance), has_try_left=is_retried, circumstances=where)
    finally:  # the scheduler forks its workers, and a forked process must not inherit an open session
        forget_engines()


def _policy(task_instance: Any) -> Any:
    policy = getattr(getattr(task_instance, "task", None), "retry_policy", None)
    if policy is None or "groundwork.operators.retry_policy" not in sys.modules:
        return None  # a policy of ours cannot be there before its module is
    from groundwork.operators.retry_policy import StrikePolicy

    return policy if isinstance(policy, StrikePolicy) else None
