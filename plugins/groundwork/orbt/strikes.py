"""Three strikes, then a person: the decision, pure and without a clock, a database or Airflow.

Source: requirements O2 and O5.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from groundwork.model.fault import Fault, StrikeAction
from groundwork.orbt.observations import Observations, holds
from groundwork.orbt.patterns import Backoff, Pattern, Solution, Trigger

STRIKES = 3  # on this one a person is asked
_JITTER = 0.25  # share of the delay that is random, so that tasks which failed together do not return together


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What follows a failure: `solutions` are tried before a retry; `delay_seconds` is null when a person is asked."""

    number: int
    action: StrikeAction
    reason: str
    delay_seconds: float | None = None
    solutions: tuple[Solution, ...] = ()


@dataclass(frozen=True, kw_only=True)
class History:
    """What happened before: strikes of this task instance since a person last answered, and for each other run in
    which the same class struck the same task the time of its last strike; remedies that were tried in these strikes;
    what was measured now.
    """

    earlier_strikes: int = 0
    other_runs_at: tuple[datetime, ...] = ()
    tried: frozenset[str] = frozenset()
    observed: Observations = field(default_factory=dict)


def decide(
    fault: Fault, pattern: Pattern, history: History, *, has_try_left: bool, now: datetime, seed: int | None = None
) -> Decision:
    """The strike this failure is and what follows. The same `seed` gives the same jitter."""
    number = history.earlier_strikes + 1
    reason = _reason_to_ask(fault, pattern, history, number, has_try_left=has_try_left, now=now)
    if reason is not None:
        return Decision(number=number, action=StrikeAction.ASK_PERSON, reason=reason)
    delay = delay_seconds(pattern.backoff, number, seed)
    return Decision(
        number=number,
        action=StrikeAction.RETRY,
        reason=f"strike {number} of {STRIKES}, {fault.fault_class}: retry in {delay:.0f} s",
        delay_seconds=delay,
        solutions=pattern.solutions(number),
    )


def delay_seconds(backoff: Backoff, number: int, seed: int | None = None) -> float:
    """Exponential waiting with jitter, at most the maximum.

    >>> 7.5 <= delay_seconds(Backoff(base_seconds=10), 1) <= 10
    True
    """
    full = min(backoff.base_seconds * backoff.factor ** (number - 1), backoff.max_seconds)
    share = random.Random(seed).random()  # noqa: S311  spreads load, guards nothing
    return round(full * (1 - _JITTER * share), 3)


def _reason_to_ask(
    fault: Fault, pattern: Pattern, history: History, number: int, *, has_try_left: bool, now: datetime
) -> str | None:
    trigger = next((each for each in pattern.escalate if _fires(each, fault, history, now)), None)
    if trigger is not None:
        return f"strike {number}, {fault.fault_class}: {trigger.reason}"
    if not pattern.is_retriable:
        return f"strike {number}, {fault.fault_class}: trying again cannot help"
    if number >= STRIKES:
        return f"strike {number} of {STRIKES}, {fault.fault_class}: what was tried did not help"
    if not has_try_left:
        return f"strike {number} of {STRIKES}, {fault.fault_class}: the task has no try left"
    return None


def _fires(trigger: Trigger, fault: Fault, history: History, now: datetime) -> bool:
    if fault.sqlstate is not None and fault.sqlstate in trigger.sqlstates:
        return True
    if trigger.conditions and all(holds(each, history.observed) for each in trigger.conditions):
        return True
    if trigger.runs is None:
        return False
    since = now - timedelta(hours=trigger.within_hours)
    return sum(at >= since for at in history.other_runs_at) + 1 >= trigger.runs
