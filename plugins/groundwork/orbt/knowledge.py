"""Which remedy has helped before, in circumstances like these: pure, without a clock or a database.

Each trial counts by its likeness to the present fault and by its age: half after `HALF_LIFE_DAYS`. Of the weighted
share of successes the lower end of a Wilson interval is taken, so that few trials count as few: one success of one is
less than nine of ten. Between remedies that are equally sure the cheaper one comes first. Source: requirement O4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from groundwork.model.fault import Circumstances
from groundwork.model.knowledge import WAITING, Question, Trial, Verdict
from groundwork.orbt.patterns import Pattern, Solution
from groundwork.orbt.remedies.catalogue import DIAGNOSES

HALF_LIFE_DAYS = 90.0
PROVEN = 0.5  # lower bound of the success rate from which a remedy goes before the standard ones
AVOIDED = 0.25  # upper bound below which it does not run by itself any more
FEWEST = 3.0  # weighted trials before a remedy can be avoided for its failures
_Z = 1.2816  # each bound holds with 90 %
_CHEAP_SECONDS = 300.0  # a remedy that takes as long counts half as much as one that takes no time
_LIKENESS = {"sqlstate": 0.3, "exception": 0.2, "engine": 0.1, "target": 0.1, "table": 0.15, "operation": 0.15}
_UNKNOWN = 0.5  # likeness of what one side does not know


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A remedy with what is known of it here. `trials` and `successes` are weighted, `low` and `high` bound the rate.

    `cost_seconds` is the mean; `score` orders. `is_harmful`: a person said that it does harm.
    """

    remedy: str
    trials: float
    successes: float
    low: float
    high: float
    cost_seconds: float
    score: float
    count: int
    is_harmful: bool

    @property
    def is_proven(self) -> bool:
        """Whether it is tried before what the pattern names."""
        return not self.is_avoided and self.low >= PROVEN

    @property
    def is_avoided(self) -> bool:
        """Whether it is an anti-pattern: harmful, or known to fail. Waiting is none: it is what is left to do."""
        if self.remedy == WAITING:
            return False
        return self.is_harmful or (self.trials >= FEWEST and self.high < AVOIDED)


def rank(trials: Iterable[Trial], question: Question, now: datetime) -> tuple[Ranked, ...]:
    """The remedies that were tried against faults of this class, the best first."""
    by_remedy: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.fault.fault_class == question.fault.fault_class:
            by_remedy.setdefault(trial.remedy, []).append(trial)
    found = [_ranked(remedy, tried, question, now) for remedy, tried in by_remedy.items()]
    return tuple(sorted(found, key=lambda each: (each.is_avoided, -each.score, each.remedy)))


def choose(pattern: Pattern, number: int, ranked: Sequence[Ranked], tried: frozenset[str]) -> tuple[Solution, ...]:
    """What to try on strike `number`: the proven remedy that was not `tried` yet, else what the pattern names.

    Only remedies that the pattern names at all are chosen, and none that is avoided. What only looks goes along with
    the standard ones, however the tries after it ended.
    """
    standard = pattern.solutions(number)
    if not standard:
        return ()
    ranked = [each for each in ranked if each.remedy not in DIAGNOSES]
    avoided = {each.remedy for each in ranked if each.is_avoided}
    named = {each.remedy: each for each in (*pattern.strike_1, *pattern.strike_2) if each.remedy is not None}
    proven = next((each for each in ranked if each.is_proven and each.remedy in named.keys() - tried), None)
    if proven is not None:
        return (named[proven.remedy],)
    return tuple(each for each in standard if each.remedy not in avoided)


def likeness(trial: Trial, question: Question) -> float:
    """How alike two faults of one class are, from near 0 to 1: the share of what is known to be the same.

    A lesson of a person holds wherever its circumstances do not say otherwise.
    """
    is_lesson = trial.origin.startswith("lesson")
    total = 0.0
    for name, weight in _LIKENESS.items():
        theirs, ours = _value(trial, name), _value(question, name)
        if theirs and ours:
            total += weight * (theirs == ours)
        else:
            total += weight * (1.0 if is_lesson and not theirs else _UNKNOWN)
    return total


def interval(successes: float, trials: float) -> tuple[float, float]:
    """The Wilson interval of a rate; weights need not be whole.

    >>> low, high = interval(9, 10)
    >>> round(low, 2), round(high, 2)
    (0.71, 0.97)
    >>> interval(0, 0)
    (0.0, 1.0)
    """
    if trials <= 0:
        return 0.0, 1.0
    rate, square = successes / trials, _Z * _Z
    middle = rate + square / (2 * trials)
    spread = _Z * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    whole = 1 + square / trials
    low, high = (middle - spread) / whole, (middle + spread) / whole
    return max(0.0, min(rate, low)), min(1.0, max(rate, high))  # rounding must not put the rate outside


def _ranked(remedy: str, tried: Sequence[Trial], question: Question, now: datetime) -> Ranked:
    weights = [each.share * likeness(each, question) * _freshness(each.at, now) for each in tried]
    total = sum(weights)
    successes = sum(weight for weight, each in zip(weights, tried, strict=True) if each.verdict is Verdict.WORKS)
    observed = [each.cost_seconds for each in tried if each.origin.startswith("strike")]
    cost = sum(observed) / len(observed) if observed else 0.0
    low, high = interval(successes, total)
    return Ranked(
        remedy=remedy,
        trials=total,
        successes=successes,
        low=low,
        high=high,
        cost_seconds=cost,
        score=low / (1 + cost / _CHEAP_SECONDS),
        count=len(tried),
        is_harmful=any(each.verdict is Verdict.HARMFUL and _holds(each, question) for each in tried),
    )


def _freshness(at: datetime, now: datetime) -> float:
    days = max((now - at).total_seconds() / 86_400, 0.0)  # a clock that was set back makes nothing younger than new
    return float(0.5 ** (days / HALF_LIFE_DAYS))


def _holds(trial: Trial, question: Question) -> bool:
    """Whether what a person said of some circumstances is about these."""
    names = [each.name for each in fields(Circumstances)]
    return all(
        not (told := getattr(trial.circumstances, name)) or told == getattr(question.circumstances, name)
        for name in names
    )


def _value(source: Trial | Question, name: str) -> str | None:
    holder = source.fault if name in ("sqlstate", "exception") else source.circumstances
    found: str | None = getattr(holder, name)
    return found
