"""Small charts as SVG, made on the server; colours come from the style sheet by class.

Presentation is by attributes and classes only, because the pages' security policy refuses inline styles.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

_FLAT_RANGE = 0.02  # a share: smaller movements are not blown up to the whole height


def sparkline(values: Sequence[float], label: str, width: int = 96, height: int = 24) -> Markup:
    """A line through `values` (shares 0..1, oldest first), its end marked; a single value is one dot."""
    points = _points(values, width, height)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    last_x, last_y = points[-1] if points else (width / 2, height / 2)
    return Markup(
        '<svg class="sparkline" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">'
        '<polyline points="{line}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
    ).format(w=width, h=height, label=label, line=line, x=last_x, y=last_y)


def grade(share: float) -> str:
    """`good` from 0.99, `fair` from 0.95, else `poor`: thresholds of a quality score.

    >>> [grade(1.0), grade(0.97), grade(0.5)]
    ['good', 'fair', 'poor']
    """
    return "good" if share >= 0.99 else "fair" if share >= 0.95 else "poor"


def _points(values: Sequence[float], width: int, height: int) -> list[tuple[float, float]]:
    if not values:
        return []
    margin = 3.0
    low, high = min(values), max(values)
    spread = max(high - low, _FLAT_RANGE)
    middle = (low + high) / 2
    step = (width - 2 * margin) / max(len(values) - 1, 1)
    start = margin if len(values) > 1 else width - margin
    return [
        (start + index * step, height / 2 - (value - middle) / spread * (height - 2 * margin))
        for index, value in enumerate(values)
    ]
