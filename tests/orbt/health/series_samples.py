"""Made-up series of measurements: quiet ones of many shapes, and ones that grow."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from groundwork.model.health import Measurement

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Shape = Callable[[float, random.Random], float]  # days since a Monday, noise → value

QUIET: dict[str, Shape] = {
    "constant": lambda _, __: 100.0,
    "normal noise": lambda _, noise: 100 + noise.gauss(0, 10),
    "even noise": lambda _, noise: noise.uniform(50, 150),
    "skewed noise": lambda _, noise: 100 * math.exp(noise.gauss(0, 0.5)),
    "small counts": lambda _, noise: float(sum(noise.random() < 0.05 for _ in range(20))),
    "rare outliers": lambda _, noise: 100 + noise.gauss(0, 10) * (8 if noise.random() < 0.03 else 1),
    "waves of a day": lambda day, noise: 100 + 60 * math.sin(2 * math.pi * day) + noise.gauss(0, 10),
    "office hours": lambda day, noise: (200 if 8 <= 24 * (day % 1) < 18 else 20) + noise.gauss(0, 5),
    "waves of a week": lambda day, noise: 100 + 60 * math.sin(2 * math.pi * day / 7) + noise.gauss(0, 10),
    "working days": lambda day, noise: (100 if day % 7 < 5 else 20) + noise.gauss(0, 5),
    "teeth of a week": lambda day, noise: 50 + 15 * (day % 7) + noise.gauss(0, 5),
}


def noise_of(seed: int) -> random.Random:
    """Noise that is the same every time."""
    return random.Random(seed)  # noqa: S311  repeatable noise, no secret


def series(
    values: Sequence[float], *, metric: str = "run_seconds", every: timedelta = DAY, limit: float | None = None
) -> list[Measurement]:
    """Measurements of these values at a steady pace."""
    return [
        Measurement(subject="s", metric=metric, at=START + every * number, value=value, limit=limit)
        for number, value in enumerate(values)
    ]


def shaped(shape: Shape, seed: int, *, days: int, every: timedelta) -> list[float]:
    """Values of a shape that begins at any moment of a week; none below 0."""
    noise = noise_of(seed)
    first = noise.random() * 7
    pace = every / DAY
    return [max(shape(first + number * pace, noise), 0.0) for number in range(round(days / pace))]
