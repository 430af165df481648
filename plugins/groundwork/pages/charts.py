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


def counts_line(values: Sequence[float], label: str, width: int = 96, height: int = 24) -> Markup:
    """A sparkline through counts or amounts, its height the largest of them."""
    largest = max(values, default=0) or 1
    return sparkline([value / largest for value in values], label, width, height)


def trend_line(values: Sequence[float], label: str, width: int = 640, height: int = 120) -> Markup:
    """Shares 0..1 over time, oldest first, from the lowest of them (rounded down to 5 %) to 100 %."""
    floor = min((int(min(values, default=1.0) * 20) / 20, 0.95))
    left, right, top, bottom = 46.0, width - 10.0, 10.0, height - 14.0
    step = (right - left) / max(len(values) - 1, 1)
    points = [
        (left + number * step if len(values) > 1 else right, bottom - (value - floor) / (1 - floor) * (bottom - top))
        for number, value in enumerate(values)
    ]
    marks = [(1.0, top), ((1 + floor) / 2, (top + bottom) / 2), (floor, bottom)]
    grid = Markup("").join(
        Markup(
            '<line class="grid" x1="{l}" x2="{r}" y1="{y:.1f}" y2="{y:.1f}"/><text x="0" y="{t:.1f}">{w}</text>'
        ).format(l=left, r=right, y=y, t=y + 4, w=f"{share * 100:g} %")
        for share, y in marks
    )
    dots = Markup("").join(Markup('<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>').format(x=x, y=y) for x, y in points)
    return Markup(
        '<svg class="sparkline trend" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{grid}'
        '<polyline points="{line}"/>{dots}</svg>'
    ).format(w=width, h=height, label=label, grid=grid, dots=dots, line=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def interval_bar(low: float, high: float, rate: float, label: str, width: int = 140, height: int = 14) -> Markup:
    """What is known of a rate (shares 0..1): a bar from its lower to its upper bound, a dot where it was observed."""
    margin, middle = 5.0, height / 2
    low_x, high_x, rate_x = (margin + share * (width - 2 * margin) for share in (low, high, rate))
    return Markup(
        '<svg class="interval" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">'
        '<line class="scale" x1="{m}" x2="{e}" y1="{y}" y2="{y}"/>'
        '<line class="bounds" x1="{l:.1f}" x2="{u:.1f}" y1="{y}" y2="{y}"/>'
        '<circle cx="{r:.1f}" cy="{y}" r="3.5"/></svg>'
    ).format(w=width, h=height, label=label, m=margin, e=width - margin, y=middle, l=low_x, u=high_x, r=rate_x)


def value_line(
    values: Sequence[float], ends: tuple[str, str], limit: float | None, label: str, width: int = 640, height: int = 110
) -> Markup:
    """Values over time, oldest first, from 0 to the largest; `ends` are the words for the top and for 0.

    A limit is drawn while it is within twice the largest value.
    """
    largest = max(values, default=0.0) or 1.0
    is_close = limit is not None and limit <= 2 * max(values, default=0.0)
    top_value = max(largest, limit or 0.0) if is_close else largest
    left, right, top, bottom = 76.0, width - 10.0, 10.0, height - 14.0
    step = (right - left) / max(len(values) - 1, 1)
    points = [
        (left + number * step if len(values) > 1 else right, bottom - value / top_value * (bottom - top))
        for number, value in enumerate(values)
    ]
    marks = [(ends[0], bottom - largest / top_value * (bottom - top)), (ends[1], bottom)]
    grid = Markup("").join(
        Markup(
            '<line class="grid" x1="{l}" x2="{r}" y1="{y:.1f}" y2="{y:.1f}"/><text x="0" y="{t:.1f}">{w}</text>'
        ).format(l=left, r=right, y=y, t=y + 4, w=words)
        for words, y in marks
    )
    if is_close and limit is not None:
        y = bottom - limit / top_value * (bottom - top)
        grid += Markup('<line class="limit" x1="{l}" x2="{r}" y1="{y:.1f}" y2="{y:.1f}"/>').format(l=left, r=right, y=y)
    return Markup(
        '<svg class="sparkline trend" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">{grid}'
        '<polyline points="{line}"/><circle cx="{x:.1f}" cy="{last:.1f}" r="2.5"/></svg>'
    ).format(
        w=width,
        h=height,
        label=label,
        grid=grid,
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        x=points[-1][0] if points else right,
        last=points[-1][1] if points else bottom,
    )


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
