"""What stands in for the first choices of a try: put in place before it, told to people, brought in from this machine.

Only for tries that run on something else, so that `try_begin`, which every try imports, need not have it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from groundwork.model.alternative import AlternativeKind, statement_digest
from groundwork.operators.tries import redirection
from groundwork.orbt.tries.waiting_alternatives import WaitingAlternatives
from groundwork.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from groundwork.model.alternative import Alternative
    from groundwork.model.task_try import TaskTry
    from groundwork.operators.tries.policy import Policy

_log = logging.getLogger(__name__)
_NOTE = "runs_on"  # the XCom in which people see what a try ran on


def put_in_place(in_force: Sequence[Alternative], task_instance: Any) -> list[Alternative]:
    """Let the try run on the best of what stands in; those that could be put in place."""
    return [each for each in _best(in_force) if _apply(each, task_instance)]


def kept_here(home: Path, this: TaskTry) -> tuple[Alternative, ...]:
    """What earlier tries of the task instance chose, as far as it waits on this machine for the store."""
    return tuple(each for since, each in WaitingAlternatives(home).of(this) if since < this.try_number)


def told_of(used: Sequence[Alternative]) -> tuple[str, ...]:
    """A phrase for people about each."""
    return tuple(f"{each.kind.value} `{each.instead}` instead of `{each.names}`: {each.reason}" for each in used)


def tell(policy: Policy, task_instance: Any, this: TaskTry, used: Sequence[Alternative]) -> None:
    """Tell people on what the try runs: in its log, in the UI, in the store."""
    from groundwork.operators import connections
    from groundwork.store.alternative import Alternatives

    told = told_of(used)
    for line in told:
        _log.warning("this try runs on the %s", line)
    try:
        task_instance.xcom_push(key=_NOTE, value="; ".join(told))
        repository = Alternatives(connections.engine(policy.store_connection_id))
        for each in used:
            repository.keep(replace(this, try_number=this.try_number - 1), each)  # one that only its strike told of
            repository.ran(this, each)
    except Exception as error:  # it runs on it whether that is told or not
        _log.info("on what the try runs is not told everywhere: %s", type(error).__name__)


def bring_in(policy: Policy, this: TaskTry) -> None:
    """What waits on this machine for the store, of this task instance."""
    from groundwork.operators import connections
    from groundwork.store.alternative import Alternatives

    waiting = WaitingAlternatives(Settings.from_environment().home)
    if waiting.of(this):
        repository = Alternatives(connections.engine(policy.store_connection_id))
        waiting.drain(this, repository.keep)


def _best(in_force: Sequence[Alternative]) -> list[Alternative]:
    """One for each first choice: a replica before a fallback, of one kind the newest."""
    order = {"replica": 0, "fallback": 1}
    found: dict[str, Alternative] = {}
    newest_first = list(reversed(in_force))
    for each in sorted(newest_first, key=lambda each: order.get(each.kind, 0)):
        found.setdefault(each.names, each)
    return list(found.values())


def _apply(alternative: Alternative, task_instance: Any) -> bool:
    """Put one alternative in place; false when that cannot be done here."""
    if alternative.kind in (AlternativeKind.REPLICA, AlternativeKind.FALLBACK):
        return redirection.redirect(alternative.names, alternative.instead)
    if alternative.kind is AlternativeKind.STATEMENT:
        return _replace_statement(alternative, task_instance.task)
    return True  # the source itself serves its kept answer


def _replace_statement(alternative: Alternative, task: Any) -> bool:
    sql = getattr(task, "sql", None)
    if isinstance(sql, list | tuple) and len(sql) == 1:
        sql = sql[0]
    if not isinstance(sql, str) or statement_digest(sql) != alternative.names:
        return False
    task.sql = alternative.instead
    if isinstance(getattr(task, "parameters", None), list | tuple):
        task.parameters = None  # what stands in has no places for them: the kept answer was made with them
    return True
