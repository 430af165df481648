"""A task with a fault, run as Airflow would run it: with ORBT, or with plain retries.

Both sides meet the same fault in a fresh site and do the same real work; waiting between tries is counted by the same
clock and slept by neither. Each try has fresh pools, as a new process has. With ORBT the hook before a try, the retry
policy with the live exception and the listener after success are called as Airflow's task runner calls them.
"""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from .fault import Fault, Found, Outcome
from .guard import Guard
from .records import complaints_kept, settle
from .site import Site, forget, site_of
from .task import context_of, task_of
from .world import World

PLAIN_RETRIES = 3
PLAIN_DELAY_SECONDS = 300.0  # Airflow's default_task_retry_delay
_MOST_RESCHEDULES = 200  # of one try


def run_with_orbt(world: World, fault: Fault) -> Found:
    """Meet a fault with the retry policy: three strikes, then a person."""
    found = Found(fault=fault.name)
    with site_of(world, fault) as site, complaints_kept(found):
        guard = Guard(site=site)
        try:
            _met(site, guard, found, lambda: _tries_with_orbt(site, found))
            settle(site, found)
        except Exception as error:
            found.broke = f"{type(error).__name__}: {error}"
        finally:
            guard.leave()
    return found


def run_plainly(world: World, fault: Fault) -> Found:
    """Meet a fault with Airflow's own retries: three, five minutes apart. Nobody is told what it was."""
    found = Found(fault=fault.name)
    with site_of(world, fault) as site, complaints_kept(found):
        guard = Guard(site=site)
        try:
            _met(site, guard, found, lambda: _tries_plainly(site, found))
        except Exception as error:
            found.broke = f"{type(error).__name__}: {error}"
        finally:
            guard.leave()
    return found


def _met(site: Site, guard: Guard, found: Found, tries: Callable[[], Any]) -> None:
    """The fault from before it is made to after all is over, with what is wrong with the data then."""
    fault = site.fault
    guard.look()
    fault.make(site)
    if fault.is_structural:
        guard.look_again()
    forget()
    site.clock.begin()
    value = tries()
    found.seconds, found.real_seconds = round(site.clock.now(), 2), round(site.clock.real(), 2)
    is_done = found.outcome is not None and found.outcome is not Outcome.ESCALATED
    forget()
    site.clock.finish()
    site.world.mend()
    if is_done or fault.outcome is Outcome.ESCALATED:
        found.data = fault.is_right(site, value if is_done else None)
    site.end()
    found.wrong_actions = guard.wrong_actions(fault.may_change)


def _tries_plainly(site: Site, found: Found) -> Any:
    from airflow.sdk.exceptions import AirflowTaskTimeout

    for number in range(1, PLAIN_RETRIES + 2):
        site.try_number = found.tries = number
        _new_process()
        try:
            with _execution_timeout(site.fault.execution_seconds):
                value = site.fault.work(site)
        except (Exception, AirflowTaskTimeout) as error:
            found.error = _told(error)
            if number <= PLAIN_RETRIES:
                site.clock.wait(PLAIN_DELAY_SECONDS)
        else:
            found.outcome = Outcome.HEALED
            return value
    found.outcome = Outcome.ESCALATED
    return None


def _tries_with_orbt(site: Site, found: Found) -> Any:
    from airflow.sdk import RetryAction
    from airflow.sdk.exceptions import AirflowTaskTimeout

    from groundwork.operators import listener
    from groundwork.operators.retry_policy import RETRIES

    task = task_of(site.fault)
    policy = task.retry_policy
    for number in range(1, RETRIES + 2):
        site.try_number = found.tries = number
        _new_process()
        context = context_of(task, number)
        instance = context["ti"]
        try:
            with _execution_timeout(site.fault.execution_seconds):
                _before_try(site, task, context)
                value = site.fault.work(site)
        except (Exception, AirflowTaskTimeout) as error:
            found.error = found.error or _told(error)
            decision = policy.evaluate(error, number, RETRIES, context)
            _after_try(task, context)
            found.reasons.append(decision.reason or "no reason")
            if decision.action is RetryAction.DEFAULT and number <= RETRIES:
                site.clock.wait(PLAIN_DELAY_SECONDS)
                continue
            if decision.retry_delay is None:
                found.outcome = Outcome.ESCALATED
                return None
            site.clock.wait(decision.retry_delay.total_seconds())
        else:
            listener.on_task_instance_success(previous_state=None, task_instance=instance)
            _after_try(task, context)
            found.outcome = Outcome.HEALED
            return value
    raise RuntimeError("the policy allowed more tries than there are")


def _new_process() -> None:
    """Nothing is left of the last try: its pools, and sessions that only the frames of its error still held."""
    gc.collect()
    forget()


def _before_try(site: Site, task: Any, context: dict[str, Any]) -> None:
    """The hook of default arguments, as Airflow calls it; a reschedule is waited for."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    for _ in range(_MOST_RESCHEDULES):
        try:
            if task._pre_execute_hook is not None:
                task._pre_execute_hook(context)
            task.pre_execute(context)
        except AirflowRescheduleException as later:
            site.clock.wait((later.reschedule_date - datetime.now(UTC)).total_seconds() + 0.05)
        else:
            return
    raise RuntimeError("the try was put off for ever")


def _after_try(task: Any, context: dict[str, Any]) -> None:
    """What a process forgets by ending: where connections lead to for this task instance."""
    from groundwork.operators.tries import redirection, try_state

    if task._post_execute_hook is not None:
        task._post_execute_hook(context, None)
    try_state.forget()
    redirection.restore()


def _told(error: BaseException) -> str:
    chain: list[str] = []
    each: BaseException | None = error
    while each is not None and len(chain) < 3:
        state = getattr(each, "sqlstate", None)
        chain.append(f"{type(each).__name__}{f' {state}' if state else ''}: {str(each).strip()[:160]}")
        each = each.__cause__ or each.__context__
    return " <- ".join(" ".join(line.split()) for line in chain)


@contextmanager
def _execution_timeout(seconds: float) -> Iterator[None]:
    """Airflow's execution_timeout: its exception is raised in the main thread."""
    from airflow.sdk.exceptions import AirflowTaskTimeout

    def ring(_signal: int, _frame: object) -> None:
        raise AirflowTaskTimeout(f"Timeout, after {seconds:g} s")

    before, started = signal.signal(signal.SIGALRM, ring), time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)  # of whoever watches over us by the same timer
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001) if left else 0)
        signal.signal(signal.SIGALRM, before)
