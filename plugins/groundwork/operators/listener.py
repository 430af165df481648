"""Failures that the retry policy is never asked about, and successes after failures.

Airflow calls these hooks in the task's process, and in the scheduler for tasks whose process was killed. This module is
imported in every process of Airflow, so it imports nothing that costs time until a task of ours fails. Only tasks with
a retry policy of ours are looked at.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.listeners import hookimpl

_log = logging.getLogger(__name__)
_NOT_ASKED = {"AirflowFailException", "AirflowSensorTimeout", "AirflowTaskTerminated"}  # Airflow fails these at once


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
    """Mark earlier strikes healed and close the incident when a task succeeds that had failed."""
    if getattr(task_instance, "try_number", 1) <= 1:
        return
    try:
        policy = _policy(task_instance)
        if policy is not None:
            from groundwork.operators.retry_policy import task_try_of
            from groundwork.orbt.response import StrikeBook

            responder = policy.responder()
            book = StrikeBook(responder.store(), responder.patterns)
            responder.spool.drain(book.keep)
            book.succeeded(task_try_of(task_instance))
    except Exception:
        _log.exception("the healed strikes of %s could not be recorded", getattr(task_instance, "task_id", "a task"))


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
    from groundwork.model.fault import WORKER_LOST, Fault
    from groundwork.operators.retry_policy import StrikePolicy, forget_engines, impact_of, task_try_of
    from groundwork.orbt.redaction import redact

    fault = Fault(fault_class=WORKER_LOST, exception="none", message=redact(told))
    is_retried = str(getattr(task_instance, "state", "")).rpartition(".")[2].lower() == "up_for_retry"
    responder = StrikePolicy().responder()
    try:
        responder.respond(fault, task_try_of(task_instance), impact_of(task_instance), has_try_left=is_retried)
    finally:  # the scheduler forks its workers, and a forked process must not inherit an open session
        forget_engines()


def _policy(task_instance: Any) -> Any:
    policy = getattr(getattr(task_instance, "task", None), "retry_policy", None)
    if policy is None:
        return None
    from groundwork.operators.retry_policy import StrikePolicy

    return policy if isinstance(policy, StrikePolicy) else None
