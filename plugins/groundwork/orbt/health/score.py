"""The health score of a pipeline: parts from 0 to 1, their weights, and the formula; pure.

score = 100 · Σ weight · share / Σ weight, over the parts that could be measured. Without a measured try, age or quality
there is no score: nothing ran yet, and a number would be made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groundwork.orbt.health.series import amount

WEIGHTS: Mapping[str, float] = {
    "success": 0.30,
    "freshness": 0.20,
    "quality": 0.15,
    "trouble": 0.15,
    "warnings": 0.10,
    "breaker": 0.10,
}
_RUNS_MADE = ("success", "freshness", "quality")
_PER_WARNING = 0.5  # of the part
TRIES_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a score; `share` is null when it could not be measured, `told` says what it comes from."""

    name: str
    share: float | None
    told: str

    @property
    def weight(self) -> float:
        """Its part of the whole, 0 to 1."""
        return WEIGHTS[self.name]


def score(parts: Sequence[Part]) -> float | None:
    """0 to 100; null before anything ran.

    >>> score([Part(name="success", share=1.0, told=""), Part(name="freshness", share=0.5, told="")])
    80.0
    >>> score([Part(name="breaker", share=1.0, told="")]) is None
    True
    """
    measured = [(part.weight, part.share) for part in parts if part.share is not None]
    if not any(part.name in _RUNS_MADE and part.share is not None for part in parts):
        return None
    return round(100 * sum(weight * share for weight, share in measured) / sum(weight for weight, _ in measured), 1)


def success(succeeded: int, failed: int) -> Part:
    """The share of tries that succeeded; `failed` are strikes and loads that were stopped."""
    tries = succeeded + failed
    told = f"{succeeded} of {tries} tries in {TRIES_DAYS} days" if tries else f"no try in {TRIES_DAYS} days"
    return Part(name="success", share=succeeded / tries if tries else None, told=told)


def success_uncounted(strikes: int, healed: int) -> Part:
    """Where nobody counted what succeeded at once: strikes alone are no share."""
    told = f"not counted what succeeded at once; {strikes} strikes in {TRIES_DAYS} days, {healed} of them healed"
    return Part(name="success", share=None, told=told)


def success_of_hours(good: int | None, failed: int) -> Part:
    """The share of hours at work without a failure, which a stream has instead of tries; null when nobody can tell."""
    if good is None:
        return Part(name="success", share=None, told="the warehouse does not answer")
    hours = good + failed
    told = f"{good} of {hours} hours at work without a failure in {TRIES_DAYS} days"
    unused = f"at work in no hour of {TRIES_DAYS} days"
    return Part(name="success", share=good / hours if hours else None, told=told if hours else unused)


def freshness(age_seconds: float | None, promised_seconds: float | None) -> Part:
    """1 while the promise is kept, down to 0 at twice the age that is promised."""
    if promised_seconds is None:
        return Part(name="freshness", share=None, told="nothing is promised")
    if age_seconds is None:
        return Part(name="freshness", share=None, told="it was never loaded")
    told = f"{amount(age_seconds, 's')} old, {amount(promised_seconds, 's')} are promised"
    return Part(name="freshness", share=min(max(2 - age_seconds / promised_seconds, 0.0), 1.0), told=told)


def quality(percent: float | None) -> Part:
    """The quality score of its datasets, the lowest of them."""
    if percent is None:
        return Part(name="quality", share=None, told="not measured")
    return Part(name="quality", share=percent / 100, told=f"quality score {percent:g} %")


def trouble(strikes: int, incidents: int, failing: str | None) -> Part:
    """0 while an incident is open or it fails, half while a strike waits for its retry."""
    if incidents:
        return Part(name="trouble", share=0.0, told=f"{incidents} open incident{'s' if incidents > 1 else ''}")
    if strikes:
        return Part(name="trouble", share=0.5, told="1 strike waits" if strikes == 1 else f"{strikes} strikes wait")
    if failing is not None:
        return Part(name="trouble", share=0.0, told=failing)
    return Part(name="trouble", share=1.0, told="no open strike or incident")


def warned(count: int) -> Part:
    """Half of it is lost per early warning."""
    told = f"{count} early warning{'s' if count != 1 else ''}" if count else "no early warning"
    return Part(name="warnings", share=max(1 - _PER_WARNING * count, 0.0), told=told)


def breaker(states: Mapping[str, str]) -> Part:
    """The worst breaker of what it uses: closed 1, half-open 0.5, open 0; `states` by target, closed ones left out."""
    shares = {"open": 0.0, "half_open": 0.5}
    if not states:
        return Part(name="breaker", share=1.0, told="closed")
    worst = min(states, key=lambda target: shares.get(states[target], 1.0))
    told = f"{states[worst].replace('_', '-')}: {worst}"
    return Part(name="breaker", share=shares.get(states[worst], 1.0), told=told)
