"""The end of a try that did not fail: what its breakers hear, and that nothing stands in for anything any more.

A module of its own, because every try that succeeds imports it, in a process of its own; `try_end` has failures.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from groundwork.operators.tries import try_state
from groundwork.operators.tries.marks import mark_ended
from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.model.task_try import TaskTry
    from groundwork.operators.tries.policy import Policy

_log = logging.getLogger(__name__)


def succeeded(policy: Policy, task_instance: Any) -> None:
    """A try succeeded: failures of its targets are forgotten, the probe closes its breaker, alternatives end.

    Costs no query for a first try whose targets have had no failures. Raises: what the store raises.
    """
    this, state = _left(task_instance)
    is_news = state is not None and bool(state.troubled)
    if not is_news and this.try_number <= 1:
        return
    from groundwork.operators import connections
    from groundwork.orbt.tries.waiting_alternatives import WaitingAlternatives
    from groundwork.store.admission import name_of
    from groundwork.store.alternative import Alternatives
    from groundwork.store.breaker import Breakers

    store = connections.engine(policy.store_connection_id)
    if state is not None and state.troubled:
        for closed in Breakers(store).succeeded(state.troubled, by=name_of(this), probed=state.probed):
            _log.warning("the breaker of %s is closed: this try was its probe, and succeeded", closed)
    if this.try_number > 1:
        WaitingAlternatives(Settings.from_environment().home).forget(this)
        Alternatives(store).end(this, "the task succeeded")


def given_up(policy: Policy, task_instance: Any) -> None:
    """A try ended that was skipped: a probe that it was says nothing of its target. Raises: what the store raises."""
    this, state = _left(task_instance)
    if state is None or not state.probed:
        return
    from groundwork.operators import connections
    from groundwork.store.admission import name_of
    from groundwork.store.breaker import Breakers

    Breakers(connections.engine(policy.store_connection_id)).release(name_of(this))


def _left(task_instance: Any) -> tuple[TaskTry, try_state.TryState | None]:
    """The try that ended by itself, and what was kept of it; this process forgets it."""
    this, state = try_state.task_try_of(task_instance), try_state.current(task_instance)
    try_state.end()
    mark_ended(Settings.from_environment().home, this)
    return this, state
