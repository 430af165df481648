"""The beginning of a try: the store is asked once, what stands in is put in place, lost tries get their strike."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from groundwork.operators.retry_policy import StrikePolicy, task_try_of
from groundwork.operators.tries import redirection, try_state
from groundwork.operators.tries.targets import breakers_of
from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.model.fault import Alternative, TaskTry
    from groundwork.store.admission import Admission

_log = logging.getLogger(__name__)
_NOTE = "runs_on"  # the XCom in which people see what a try ran on


def begin(task_instance: Any) -> float | None:
    """Get a try ready; null when it may go, else the seconds after which to ask again.

    A store that does not answer lets the try go, on the alternatives that were kept on this machine. A task that comes
    back from its trigger is not held any more: Airflow would forget what the trigger told.
    """
    policy = getattr(task_instance.task, "retry_policy", None)
    if not isinstance(policy, StrikePolicy):
        policy = StrikePolicy()
    _end_other_tries()
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
            _bring_in(policy, this)
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
    from groundwork.operators.tries.lost_tries import mark_begun

    home = Settings.from_environment().home
    in_force: tuple[Alternative, ...] = admission.alternatives if admission is not None else ()
    if this.try_number > 1 and admission is None:
        from groundwork.orbt.tries.waiting_alternatives import WaitingAlternatives

        in_force = tuple(each for since, each in WaitingAlternatives(home).of(this) if since < this.try_number)
    used = [each for each in _best(in_force) if _apply(each, task_instance)]
    told = tuple(f"{each.kind.value} `{each.instead}` instead of `{each.names}`: {each.reason}" for each in used)
    try_state.keep(
        try_state.TryState(
            name=try_state.key_of(task_instance),
            troubled=admission.troubled if admission is not None else (),
            probed=admission.probed if admission is not None else (),
            runs_on=told,
            served=frozenset(each.names for each in used if each.kind == "cached_response"),
        )
    )
    mark_begun(home, this)
    if admission is not None and admission.probed:
        _log.warning("this try is the probe for %s", ", ".join(admission.probed))
    if used:
        _tell(policy, task_instance, this, used, told)


def _best(in_force: tuple[Alternative, ...]) -> list[Alternative]:
    """One for each first choice: a replica before a fallback, of one kind the newest."""
    order = {"replica": 0, "fallback": 1}
    found: dict[str, Alternative] = {}
    newest_first = list(reversed(in_force))
    for each in sorted(newest_first, key=lambda each: order.get(each.kind, 0)):
        found.setdefault(each.names, each)
    return list(found.values())


def _apply(alternative: Alternative, task_instance: Any) -> bool:
    """Put one alternative in place; false when that cannot be done here."""
    from groundwork.model.fault import AlternativeKind

    if alternative.kind in (AlternativeKind.REPLICA, AlternativeKind.FALLBACK):
        return redirection.redirect(alternative.names, alternative.instead)
    if alternative.kind is AlternativeKind.STATEMENT:
        return _replace_statement(alternative, task_instance.task)
    return True  # the source itself serves its kept answer


def _replace_statement(alternative: Alternative, task: Any) -> bool:
    from groundwork.model.fault import statement_digest

    sql = getattr(task, "sql", None)
    if isinstance(sql, list | tuple) and len(sql) == 1:
        sql = sql[0]
    if not isinstance(sql, str) or statement_digest(sql) != alternative.names:
        return False
    task.sql = alternative.instead
    if isinstance(getattr(task, "parameters", None), list | tuple):
        task.parameters = None  # what stands in has no places for them: the kept answer was made with them
    return True


def _tell(
    policy: StrikePolicy, task_instance: Any, this: TaskTry, used: list[Alternative], told: tuple[str, ...]
) -> None:
    """Tell people on what the try runs: in its log, in the UI, in the store."""
    from groundwork.operators import connections
    from groundwork.store.alternative import Alternatives

    for line in told:
        _log.warning("this try runs on the %s", line)
    try:
        task_instance.xcom_push(key=_NOTE, value="; ".join(told))
        repository = Alternatives(connections.engine(policy.store_connection_id))
        for each in used:
            repository.keep(_before(this), each)  # one that only its strike told of
            repository.ran(this, each)
    except Exception as error:  # it runs on it whether that is told or not
        _log.info("on what the try runs is not told everywhere: %s", type(error).__name__)


def _before(this: TaskTry) -> TaskTry:
    from dataclasses import replace

    return replace(this, try_number=this.try_number - 1)


def _bring_in(policy: StrikePolicy, this: TaskTry) -> None:
    """What waits on this machine for the store, of this task instance."""
    from groundwork.operators import connections
    from groundwork.orbt.tries.waiting_alternatives import WaitingAlternatives
    from groundwork.store.alternative import Alternatives

    waiting = WaitingAlternatives(Settings.from_environment().home)
    if waiting.of(this):
        repository = Alternatives(connections.engine(policy.store_connection_id))
        waiting.drain(this, repository.keep)


def _tell_lost_tries(policy: StrikePolicy, task_instance: Any, admission: Admission) -> None:
    from groundwork.operators.tries.lost_tries import tell_lost_tries

    try:
        tell_lost_tries(policy, task_instance, admission.struck_tries)
    except Exception:
        _log.exception("the strike of an earlier try could not be recorded")


def _end_other_tries() -> None:
    """Several tries can run in one process one after the other (`dag.test`): nothing of the last one stays."""
    try_state.forget()
    redirection.restore()


def _is_resumed(task_instance: Any) -> bool:
    return bool(getattr(getattr(task_instance, "_ti_context_from_server", None), "next_method", None))
