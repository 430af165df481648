"""The rule by which facts mean a state: repair, build, training or operating. Pure: `facts` reads what it judges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from groundwork.model.health import Situation, State

TRAINING_RUNS = 8  # runs since a dataset was made or changed before there is a baseline


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the state of a subject follows from; each reason is for people and null when it does not hold.

    `runs` counts what finished since the subject was made or changed last; null where runs are not counted. `strikes`
    wait for their retry, `incidents` are not resolved.
    """

    failing: str | None = None
    failing_since: datetime | None = None
    building: str | None = None
    building_since: datetime | None = None
    runs: int | None = None
    changed_at: datetime | None = None
    last_run_at: datetime | None = None
    strikes: int = 0
    incidents: int = 0


def judge(subject: str, facts: Facts) -> Situation:
    """The state that facts mean.

    >>> judge("shop.sale", Facts(runs=3)).state
    <State.TRAINING: 'training'>
    """
    if facts.failing is not None:
        return Situation(subject=subject, state=State.REPAIR, reason=facts.failing, since=facts.failing_since)
    if facts.building is not None:
        return Situation(subject=subject, state=State.BUILD, reason=facts.building, since=facts.building_since)
    if facts.runs is not None and facts.runs < TRAINING_RUNS:
        what = "it was changed" if facts.changed_at else "it was made"
        reason = f"{facts.runs} of {TRAINING_RUNS} runs since {what}: trends have no baseline yet"
        return Situation(subject=subject, state=State.TRAINING, reason=reason, since=facts.changed_at)
    return Situation(subject=subject, state=State.OPERATING, reason="nothing is wrong", since=facts.last_run_at)
