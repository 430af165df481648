"""The end of a try that failed: whose failure it was, what its breaker hears, and what the next tries run on.

Nothing here raises: what the store does not take is left out, and alternatives wait on this machine.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from groundwork.operators.tries import redirection, try_state
from groundwork.operators.tries.marks import mark_ended
from groundwork.operators.tries.own_statement import own_statement
from groundwork.operators.tries.targets import target_of
from groundwork.operators.tries.try_state import task_try_of
from groundwork.orbt.tries.target_name import CONNECTION
from groundwork.settings import Settings

if TYPE_CHECKING:
    from groundwork.model.fault import Fault, Strike, TaskTry
    from groundwork.operators.tries.policy import Policy
    from groundwork.orbt.classify import OwnStatement
    from groundwork.orbt.patterns import Patterns

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A try that failed: `breaker` is that of the target whose driver raised, null when none did; `probed` are those as
    whose probe it went; `told` is what people should know beside the reason; `own` is the operator's SQL, if it failed.
    """

    this: TaskTry
    policy: Policy
    breaker: str | None = None
    probed: tuple[str, ...] = ()
    told: str = ""
    own: OwnStatement | None = None

    @property
    def target(self) -> str | None:
        """The connection id, or `source:…`, that failed, as far as that is known."""
        return self.breaker.removeprefix(CONNECTION) if self.breaker is not None else None

    def tell_breaker(self, fault: Fault, patterns: Patterns) -> str | None:
        """Let the target's breaker hear of it, before anything slow is done; a probe that tells nothing is released.

        Why a person should be asked about the target now, null while the breaker may still close by itself.
        """
        from groundwork.operators import connections
        from groundwork.orbt.tries.breaker import breaker_policy_in_force
        from groundwork.store.admission import name_of
        from groundwork.store.breaker import Breakers

        target = self.breaker if patterns.named(fault.fault_class).cause == "target" else None
        if target is None and not self.probed:
            return None
        because = None
        try:
            breakers = Breakers(connections.engine(self.policy.store_connection_id))
            if target is not None:
                rule = breaker_policy_in_force(Settings.from_environment().policies).rule(target)
                reason = f"{fault.fault_class}: {(fault.message or fault.exception).splitlines()[0][:200]}"
                openings = breakers.failed(target, by=name_of(self.this), rule=rule, reason=reason)
                if openings:
                    _log.warning("the breaker of %s is open: tasks that use it wait, which costs them no try", target)
                if openings >= rule.ask_after_openings:
                    because = f"{target} does not come back, its breaker opened {openings} times"
            if self.probed and target not in self.probed:
                breakers.release(name_of(self.this))
        except Exception as error:  # the store may be what is down
            _log.warning("the breaker was not told: %s", type(error).__name__)
        return because

    def keep_alternatives(self, strike: Strike) -> None:
        """Let the next tries run on what the strike's remedies chose."""
        from groundwork.operators import connections
        from groundwork.orbt.tries.waiting_alternatives import WaitingAlternatives
        from groundwork.store.alternative import Alternatives

        chosen = [each.alternative for each in strike.remedies if each.is_done and each.alternative is not None]
        for alternative in chosen:
            _log.warning("the next try runs on `%s` instead of `%s`", alternative.instead, alternative.names)
            try:
                Alternatives(connections.engine(self.policy.store_connection_id)).keep(self.this, alternative)
            except Exception as error:  # the store may be what is down
                _log.warning("the alternative waits on this machine: %s", type(error).__name__)
                try:
                    WaitingAlternatives(Settings.from_environment().home).add(self.this, alternative)
                except OSError:
                    _log.exception("the alternative could not be kept; the next try goes on its first choice")


def failed(policy: Policy, task_instance: Any, error: BaseException) -> Failed:
    """A try failed: whose failure it was; connection ids lead again where they always did."""
    this = task_try_of(task_instance)
    state = try_state.current(task_instance)
    task = getattr(task_instance, "task", None)
    target = target_of(error, task, policy.connection_id)
    own = own_statement(task, target, policy.connection_id)
    for first, instead in redirection.redirected().items():
        if target == f"{CONNECTION}{first}":
            target = f"{CONNECTION}{instead}"
    redirection.restore()  # remedies look the connections up by their own names
    mark_ended(Settings.from_environment().home, this)
    return Failed(
        this=this,
        policy=policy,
        breaker=target,
        probed=state.probed if state is not None else (),
        told=f"; it ran on the {'; '.join(state.runs_on)}" if state is not None and state.runs_on else "",
        own=own,
    )
