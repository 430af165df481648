"""What trends and steps ask of a series alike: its usual pace, and its values in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from groundwork.model.health import Measurement


def median_gap(series: Sequence[Measurement]) -> timedelta:
    """The usual time between two measurements; 0 below two."""
    gaps = sorted(later.at - earlier.at for earlier, later in pairwise(series))
    return gaps[len(gaps) // 2] if gaps else timedelta()


def amount(value: float, unit: str) -> str:
    """A value with its unit, for people.

    >>> [amount(90.0, "s"), amount(3 * 2**30, "bytes"), amount(12.5, "rows")]
    ['1.5 min', '3.0 GiB', '12.5 rows']
    """
    if unit == "s":
        for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
            if abs(value) >= size:
                return f"{value / size:.1f} {name}"
        return f"{value:.1f} s"
    if unit == "bytes":
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024:
                return f"{value:.1f} {name}"
            value /= 1024
        return f"{value:.1f} TiB"
    return f"{value:,.1f}".removesuffix(".0") + f" {unit}"
