"""ORBT for Dags, operators and tasks of anybody: what stands before each try, and the policy after a failed one.

A whole Dag, operators of any provider included: `DAG(..., default_args=healing())`. One task: `@task(**healing())`. A
class of operators: `class Mine(HealingMixin, BaseOperator)`.

Before a try, one query to the store asks whether it may go. While the breaker of what it uses is open, the task is
rescheduled, which costs it no try; when something stands in for what failed before, the try runs on that. A store that
is away lets every try go. This module is imported with every Dag file, so it imports nothing that costs time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from groundwork.operators.retry_policy import RETRIES, StrikePolicy

if TYPE_CHECKING:
    from airflow.sdk import Context

_log = logging.getLogger(__name__)
_RETRY_DELAY = timedelta(seconds=30)  # where nobody is left to ask the policy: the process was killed
Hook = Callable[["Context"], None]


def healing(*, connection_id: str | None = None, sources: Sequence[str] = (), **defaults: Any) -> dict[str, Any]:
    """Arguments of a task, or `default_args` of a Dag, that let ORBT heal; `defaults` are added and replace them.

    `connection_id` is the database of tasks that name none; the warehouse by default. `sources` are addresses of
    services that tasks call without a connection. A `pre_execute` in `defaults` runs after ours.
    """
    policy = StrikePolicy(connection_id=connection_id, sources=sources)
    healed = {"retries": RETRIES, "retry_delay": _RETRY_DELAY, "retry_policy": policy, **defaults}
    return {**healed, "pre_execute": before(defaults.get("pre_execute"))}


def before(theirs: Hook | None) -> Hook:
    """A hook that runs ours, then `theirs`."""
    if theirs is None or theirs is before_try or getattr(theirs, "heals", False):
        return theirs or before_try

    def both(context: Context) -> None:
        before_try(context)
        theirs(context)

    both.heals = True  # type: ignore[attr-defined]
    return both


def before_try(context: Context) -> None:
    """What stands before a try. Raises: AirflowRescheduleException while a breaker keeps the task waiting."""
    from groundwork.operators.tries import try_state

    instance = context["ti"]
    if try_state.current(instance) is not None:  # asked already, as `pre_execute` and by the listener
        return
    try:
        from groundwork.operators.tries.try_begin import begin

        seconds = begin(instance)
    except Exception:  # whatever it is: the try may go
        _log.exception("what stands before the try failed; it goes on its first choice")
        return
    if seconds is not None:
        from airflow.sdk.exceptions import AirflowRescheduleException

        again_at = datetime.now(UTC) + timedelta(seconds=seconds)
        raise AirflowRescheduleException(again_at)  # type: ignore[no-untyped-call]


def attach(task: Any) -> None:
    """Put ours before the hook that a task has, unless it is there."""
    task._pre_execute_hook = before(task._pre_execute_hook)


class HealingMixin(BaseOperator):
    """Lets every task of an operator class be healed, whatever the Dag says; put it before the operator's own base.

    What a task or its Dag sets itself stays. Where the operator is mapped, hand `**healing()` to `partial` instead:
    Airflow asks a mapped operator's number of tries before there is an operator.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.retry_policy is None:
            self.retry_policy = StrikePolicy()
            self.retries = max(self.retries or 0, RETRIES)
        if isinstance(self.retry_policy, StrikePolicy):
            attach(self)
