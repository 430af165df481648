"""Indicators over daily closes, and the rules that turn them into signals.

Each rule is a pure function of one ticker's closes (floats, in order of day) and a strategy's parameters. It yields at
most one signal per day, and only on the day on which a threshold is crossed, never while it stays crossed. No day looks
at a later one. Sums are exact (`math.fsum`), so that the same closes give the same signals on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from groundwork.market.strategies import Strategy
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Impulse:
    """A signal without its context: index of the day, `buy` or `sell`, size as a fraction of price, and indicators."""

    index: int
    action: str
    strength: float
    indicators: Mapping[str, float]


Closes = Sequence[float]
Impulses = Iterator[Impulse]


def impulses(strategy: Strategy, closes: Closes) -> Impulses:
    """The signals of `strategy` on one ticker, in order of day; none when its config names no rule.

    Raises: ConfigError for a rule nobody knows or parameters that make no sense.
    """
    if strategy.kind is None:
        return iter(())
    rule = _RULES.get(strategy.kind)
    if rule is None:
        raise ConfigError(
            "the strategy's kind is not known",
            where=f"strategies.config of `{strategy.name}`: kind",
            expected=", ".join(sorted(_RULES)),
            found=strategy.kind,
            next_step="correct the strategy's config in the registry",
        )
    return rule(strategy, closes)


def moving_average_cross(strategy: Strategy, closes: Closes) -> Impulses:
    """Buy when the fast moving average rises above the slow one, sell when it falls below.

    Parameters: `fast_days` < `slow_days`.
    """
    fast_days, slow_days = strategy.days("fast_days"), strategy.days("slow_days")
    if fast_days >= slow_days:
        raise ConfigError(
            "the fast average must be the shorter one",
            where=f"strategies.config of `{strategy.name}`",
            expected="fast_days < slow_days",
            found=f"{fast_days} and {slow_days}",
            next_step="correct the strategy's config in the registry",
        )
    fast, slow = _averages(closes, fast_days), _averages(closes, slow_days)
    for index in range(slow_days, len(closes)):
        before, now = fast[index - 1] - slow[index - 1], fast[index] - slow[index]
        if (before <= 0) == (now <= 0):
            continue
        yield Impulse(
            index=index,
            action="buy" if now > 0 else "sell",
            strength=abs(now) / closes[index],
            indicators={"fast_average": fast[index], "slow_average": slow[index]},
        )


def rate_of_change(strategy: Strategy, closes: Closes) -> Impulses:
    """Buy when the change over `window_days` rises above `buy_above_pct`, sell when it falls below `sell_below_pct`."""
    window = strategy.days("window_days")
    buy_above = strategy.number("buy_above_pct") / 100
    sell_below = strategy.number("sell_below_pct", at_least=-100) / 100
    for index in range(window + 1, len(closes)):
        before = closes[index - 1] / closes[index - 1 - window] - 1
        now = closes[index] / closes[index - window] - 1
        action = _crossing(before, now, rises_above=buy_above, falls_below=sell_below)
        if action:
            yield Impulse(index=index, action=action, strength=abs(now), indicators={"rate_of_change": now})


def z_score(strategy: Strategy, closes: Closes) -> Impulses:
    """Buy when the close falls `buy_below` standard deviations under its average, sell when it recovers.

    Parameters: `window_days`, `buy_below` (a positive number of deviations), `sell_above`.
    """
    window = strategy.days("window_days")
    buy_below, sell_above = -strategy.number("buy_below"), strategy.number("sell_above", at_least=-10)
    scores = [_score(closes, index, window) for index in range(len(closes))]
    for index in range(window, len(closes)):
        before, now = scores[index - 1], scores[index]
        if before is None or now is None:
            continue
        # The mirror image of a crossing upwards: what falls is bought, what has risen again is sold.
        action = {"buy": "sell", "sell": "buy"}.get(
            _crossing(before[0], now[0], rises_above=sell_above, falls_below=buy_below) or ""
        )
        if action:
            score, average, deviation = now
            yield Impulse(
                index=index,
                action=action,
                strength=abs(closes[index] - average) / closes[index],
                indicators={"z_score": score, "average": average, "standard_deviation": deviation},
            )


_RULES: Mapping[str, Callable[[Strategy, Closes], Impulses]] = {
    "moving_average_cross": moving_average_cross,
    "rate_of_change": rate_of_change,
    "z_score": z_score,
}


def _crossing(before: float, now: float, *, rises_above: float, falls_below: float) -> str | None:
    if before <= rises_above < now:
        return "buy"
    if before >= falls_below > now:
        return "sell"
    return None


def _averages(closes: Closes, days: int) -> list[float]:
    """Average of the last `days` closes at each index; NaN before there are so many."""
    return [
        math.fsum(closes[index + 1 - days : index + 1]) / days if index + 1 >= days else math.nan
        for index in range(len(closes))
    ]


def _score(closes: Closes, index: int, days: int) -> tuple[float, float, float] | None:
    """Standard score, average and population deviation of the last `days` closes; null without spread or history."""
    if index + 1 < days:
        return None
    window = closes[index + 1 - days : index + 1]
    average = math.fsum(window) / days
    deviation = math.sqrt(math.fsum((close - average) ** 2 for close in window) / days)
    return ((closes[index] - average) / deviation, average, deviation) if deviation > 0 else None
