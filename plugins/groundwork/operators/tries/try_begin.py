"""The beginning of a try: the store is asked once, what stands in is put in place, lost tries get their strike."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from groundwork.operators.retry_policy import StrikePolicy
from groundwork.operators.tries import try_state
from groundwork.operators.tries.marks import mark_begun
from groundwork.operators.tries.targets import breakers_of
from groundwork.operators.tries.try_state import task_try_of
from groundwork.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from groundwork.model.alternative import Alternative
    from groundwork.model.task_try import TaskTry
    from groundwork.store.admission import Admission

_log = logging.getLogger(__name__)


def begin(task_instance: Any) -> float | None:
    """Get a try ready; null when it may go, else the seconds after which to ask again.

    A store that does not answer lets the try go, on the alternatives that were kept on this machine. A task that comes
    back from its trigger is not held any more: Airflow would forget what the trigger told.
    """
    policy = getattr(task_instance.task, "retry_policy", None)
    if not isinstance(policy, StrikePolicy):
        policy = StrikePolicy()
    try_state.end()  # several tries can run in one process one after the other (`dag.test`)
    this = task_try_of(task_instance)
    targets = breakers_of(task_instance.task, policy.connection_id, policy.sources)
    admission = _asked(policy, this, targets)
    if admission is not None and this.try_number > 1:
        _tell_lost_tries(policy, task_instance, admission)
    if admission is not None and admission.blocked and not _is_resumed(task_instance):
        return _waiting(admission)
    _prepare(policy, task_instance, this, admission)
    return None


def _asked(policy: StrikePolicy, this: TaskTry, targets: tuple[str, ...]) -> Admission | None:
    from groundwork.operators import connections
    from groundwork.store.admission import admit

    try:
        if this.try_number > 1:
            from groundwork.operators.tries.standing_in import bring_in

            bring_in(policy, this)
        return admit(connections.driver_arguments(policy.store_connection_id), this, targets)
    except Exception as error:  # what is not known admits
        _log.warning("the store is away, the try goes unasked: %s", type(error).__name__)
        return None


def _waiting(admission: Admission) -> float:
    from groundwork.orbt.tries.breaker import wait_seconds

    seconds = wait_seconds(admission.blocked)
    for each in admission.blocked:
        held = "a person holds it open" if each.is_held else f"{each.seconds:.0f} s to go"
        _log.warning("the breaker of %s is open (%s): %s", each.target, held, each.reason)
    _log.warning("the task waits for %.0f s, which costs it no try", seconds)
    return seconds


def _prepare(policy: StrikePolicy, task_instance: Any, this: TaskTry, admission: Admission | None) -> None:
    """Put the alternatives in place and keep what the end of the try has to know."""
    home = Settings.from_environment().home
    in_force: tuple[Alternative, ...] = admission.alternatives if admission is not None else ()
    if this.try_number > 1 and admission is None:
        from groundwork.operators.tries.standing_in import kept_here

        in_force = kept_here(home, this)
    used, told = _put_in_place(in_force, task_instance)
    try_state.keep(
        try_state.TryState(
            name=try_state.key_of(task_instance),
            troubled=admission.troubled if admission is not None else (),
            probed=admission.probed if admission is not None else (),
            runs_on=told,
            served=frozenset(each.names for each in used if each.kind == "cached_response"),
        )
    )
    if this.try_number > 1:
        _end_left_behind(home, this)
    mark_begun(home, this)
    if admission is not None and admission.probed:
        _log.warning("this try is the probe for %s", ", ".join(admission.probed))
    if used:
        from groundwork.operators.tries.standing_in import tell

        tell(policy, task_instance, this, used)


def _put_in_place(
    in_force: tuple[Alternative, ...], task_instance: Any
) -> tuple[tuple[Alternative, ...], tuple[str, ...]]:
    """What the try runs on, and a phrase for people about each."""
    if not in_force:
        return (), ()
    from groundwork.operators.tries.standing_in import put_in_place, told_of

    used = put_in_place(in_force, task_instance)
    return tuple(used), told_of(used)


def _end_left_behind(home: Path, this: TaskTry) -> None:
    """End the process of an earlier try that still stands here: two must not write."""
    from dataclasses import replace

    from groundwork.operators.tries.lost_tries import end_left_behind

    end_left_behind(home, replace(this, try_number=this.try_number - 1))


def _tell_lost_tries(policy: StrikePolicy, task_instance: Any, admission: Admission) -> None:
    from groundwork.operators.tries.lost_tries import tell_lost_tries

    try:
        tell_lost_tries(policy, task_instance, admission.struck_tries)
    except Exception:
        _log.exception("the strike of an earlier try could not be recorded")


def _is_resumed(task_instance: Any) -> bool:
    return bool(getattr(getattr(task_instance, "_ti_context_from_server", None), "next_method", None))
