"""Last tries that ended without a word: found when their run fails, because no try follows that would notice."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

_log = logging.getLogger(__name__)
_AT_MOST = 50  # task instances of one run that are looked at: the scheduler waits meanwhile


def tell_lost_last_tries(dag_run: Any) -> int:
    """Record a strike for each failed task instance of a failed run whose last try has none; how many there were.

    What a person marked as failed is left out. To be called in the scheduler. Raises: what the store raises.
    """
    failed = list(_failed_with_policy(dag_run))[:_AT_MOST]
    if not failed:
        return 0
    from groundwork.operators.retry_policy import StrikePolicy, forget_engines
    from groundwork.operators.tries.lost_tries import tell_lost_try

    policy = StrikePolicy()
    try:
        return sum(tell_lost_try(policy, each, each.try_number, is_retried=False) for each in failed)
    finally:  # the scheduler forks its workers, and a forked process must not inherit an open session
        forget_engines()


def _failed_with_policy(dag_run: Any) -> Iterator[Any]:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session, dag = object_session(dag_run), getattr(dag_run, "dag", None)
    if session is None or dag is None:
        return
    here = (TaskInstance.dag_id == dag_run.dag_id, TaskInstance.run_id == dag_run.run_id)
    query = select(TaskInstance).where(*here, TaskInstance.state == "failed", TaskInstance.start_date.is_not(None))
    with session.no_autoflush:
        for each in session.scalars(query.order_by(TaskInstance.task_id, TaskInstance.map_index)):
            task = dag.get_task(each.task_id) if dag.has_task(each.task_id) else None
            if getattr(task, "has_retry_policy", False) and not _is_set_by_hand(session, each):
                each.task = task
                yield each


def _is_set_by_hand(session: Any, task_instance: Any) -> bool:
    """Whether a person changed the state of the task instance, or of its run, since its last try began."""
    from airflow.models.log import Log
    from sqlalchemy import or_, select

    query = select(Log.id).where(
        Log.dag_id == task_instance.dag_id,
        Log.run_id == task_instance.run_id,
        or_(Log.task_id == task_instance.task_id, Log.task_id.is_(None)),
        Log.event.like("patch%"),
        Log.dttm >= task_instance.start_date,
    )
    return session.scalar(query.limit(1)) is not None
