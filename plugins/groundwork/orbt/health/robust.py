"""Statistics that a few wild values do not move: a slope, a test for a trend, a scale.

Sources: Theil 1950, Sen 1968 (slope and its interval), Mann 1945, Kendall 1975 (variance of the score with ties),
Rousseeuw and Croux 1993 (scale from the median absolute deviation). Plain Python, for at most a few hundred points.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median

_TO_SIGMA = 1.4826  # median absolute deviation of a normal distribution → its standard deviation


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A slope per unit of time, with the ends of its interval; `end` is the fitted value at the last time."""

    middle: float
    low: float
    high: float
    start: float
    end: float


def spread(values: Sequence[float]) -> float:
    """The standard deviation that the median absolute deviation stands for; 0 without values.

    >>> spread([1.0, 1.0, 1.0, 100.0])
    0.0
    """
    if not values:
        return 0.0
    middle = median(values)
    return _TO_SIGMA * median(abs(value - middle) for value in values)


def mann_kendall(values: Sequence[float]) -> float:
    """The two-sided probability that values without a trend score as these do; 1 below three values.

    >>> mann_kendall([5.0] * 20)
    1.0
    >>> mann_kendall([float(number) for number in range(20)]) < 1e-6
    True
    """
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    variance = _variance(values)
    if len(values) < 3 or not variance or not score:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))


def theil_sen(times: Sequence[float], values: Sequence[float], confidence: float) -> Slope | None:
    """The median slope over all pairs, with its interval at `confidence`; null when no two times differ."""
    pairs = zip(combinations(times, 2), combinations(values, 2), strict=True)
    slopes = sorted((y[1] - y[0]) / (t[1] - t[0]) for t, y in pairs if t[1] != t[0])
    if not slopes:
        return None
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(_variance(values))
    low = max(math.floor((len(slopes) - reach) / 2), 0)
    high = min(math.ceil((len(slopes) + reach) / 2), len(slopes) - 1)
    middle = median(slopes)
    level = median(y - middle * t for t, y in zip(times, values, strict=True))
    return Slope(
        middle=middle,
        low=slopes[low],
        high=slopes[high],
        start=level + middle * times[0],
        end=level + middle * times[-1],
    )


def _variance(values: Sequence[float]) -> float:
    """Of Kendall's score when there is no trend; values that are equal take their part away."""
    count = len(values)
    ties = sum(size * (size - 1) * (2 * size + 5) for size in Counter(values).values() if size > 1)
    return (count * (count - 1) * (2 * count + 5) - ties) / 18
