"""Early warnings from a series of measurements; pure. A quiet series gives none.

Three things are looked for. *Limit*: the newest values are close to what they must not reach. *Trend*: Mann and
Kendall's test says that there is one, the whole interval of Theil and Sen's slope has its sign, and it matters: the
limit is reached within reach of the forecast, or the level moved by half. *Step*: the newest values are far from what
was expected, and beyond everything that was ever seen (`groundwork.orbt.health.steps`).

What recurs (durations, rows, connections) is judged by values of whole days and whole weeks, two weeks at least, so
that neither the hours of a day nor the days of a week look like a trend. What piles up (lag, disk, kept log) is also
judged by its last day. A forecast looks ahead three times as far as it saw, and at most thirty days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, median

from groundwork.model.health import EarlyWarning, Measurement, WarningKind
from groundwork.orbt.health.robust import Slope, mann_kendall, spread, theil_sen
from groundwork.orbt.health.series import amount, median_gap
from groundwork.orbt.health.steps import step

CONFIDENCE = 0.9999  # of the test and of the slope's interval
FALSE_ALARMS = 0.01  # of quiet series that are judged daily for a month, at most this share ever gives a warning
WINDOW = timedelta(days=56)  # whole weeks that a trend is looked for in
_AHEAD = timedelta(days=30)
_SEEN_TIMES = 3  # a forecast looks ahead so many times what it saw
_DAY = timedelta(days=1)
_WEEK_DAYS = 7
_FEWEST = 10  # values of a trend
_FEWEST_OF_A_DAY = 12
_SHORTEST = timedelta(hours=1)  # of what piles up
_SPARSE = timedelta(days=3.5)  # fewer than two a week: no season of days can be seen
_MOST = 120  # points; more are thinned
_FARTHEST_DAYS = 36_500.0  # of the latest date in a forecast's interval
_MOVED = 0.5  # share of the level that matters without a limit


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a metric is judged. `near` is the share of its limit that is close to it, `sustained` how many of the newest
    values have to agree; `least` is the smallest change that matters, in the metric's unit,
    and `spreads` times what values vary by around the line.
    """

    words: str
    unit: str
    near: float = 0.8
    sustained: int = 1
    least: float = 0.0
    spreads: float = 3.0
    piles_up: bool = False
    needs_limit: bool = False
    is_fall_bad: bool = False
    is_mean: bool = False
    has_steps: bool = False


METRICS: Mapping[str, Metric] = {
    "run_seconds": Metric(words="duration of a run", unit="s", sustained=2, least=5.0, has_steps=True),
    "run_rows": Metric(
        words="records read per run", unit="records", sustained=2, least=10, is_fall_bad=True, has_steps=True
    ),
    "run_strikes": Metric(words="strikes per run", unit="strikes", least=0.5, spreads=1.5, is_mean=True),
    "lag_seconds": Metric(words="lag behind the source", unit="s", sustained=3, piles_up=True, needs_limit=True),
    "kept_bytes": Metric(words="log that is kept for it", unit="bytes", sustained=3, piles_up=True, needs_limit=True),
    "database_bytes": Metric(words="size of the database", unit="bytes", piles_up=True, needs_limit=True),
    "disk_used_bytes": Metric(
        words="disk in use", unit="bytes", near=0.9, sustained=3, piles_up=True, needs_limit=True
    ),
    "connections": Metric(words="connections in use", unit="connections", sustained=3, least=5, has_steps=True),
}


def judge(series: Sequence[Measurement]) -> tuple[EarlyWarning, ...]:
    """The warnings that a series gives, oldest measurement first; none for a metric that nobody knows or no values."""
    if not series or series[-1].metric not in METRICS:
        return ()
    metric = METRICS[series[-1].metric]
    near = _near(metric, series)
    if near is not None:
        return (near,)
    found = _trend(metric, series)
    if found is None and metric.has_steps:
        found = step(
            series,
            words=metric.words,
            unit=metric.unit,
            least=metric.least,
            sustained=metric.sustained,
            is_fall_bad=metric.is_fall_bad,
        )
    return () if found is None else (found,)


def _near(metric: Metric, series: Sequence[Measurement]) -> EarlyWarning | None:
    last = series[-1]
    newest = series[-metric.sustained :]
    if not last.limit or len(newest) < metric.sustained:
        return None
    if not all(each.value >= metric.near * last.limit for each in newest):
        return None
    told = (
        f"{metric.words}: {amount(last.value, metric.unit)}, {last.value / last.limit:.0%} of the "
        f"{amount(last.limit, metric.unit)} that it must not reach"
    )
    return EarlyWarning(
        subject=last.subject,
        metric=last.metric,
        kind=WarningKind.LIMIT,
        told=told,
        value=last.value,
        limit=last.limit,
        forecast_at=last.at if last.value >= last.limit else None,
    )


def _trend(metric: Metric, series: Sequence[Measurement]) -> EarlyWarning | None:
    for points in _looks(metric, series):
        found = _trend_in(metric, series[-1], points)
        if found is not None:
            return found
    return None


def _looks(metric: Metric, series: Sequence[Measurement]) -> Iterator[list[tuple[float, float]]]:
    """What a trend is looked for in: (days, value), oldest first; enough points each."""
    last = series[-1].at
    if metric.piles_up:
        recent = [each for each in series if each.at > last - _DAY]
        if len(recent) >= _FEWEST_OF_A_DAY and recent[-1].at - recent[0].at >= _SHORTEST:
            yield _thinned([(_days(each.at, last), each.value) for each in recent])
    window = [each for each in series if each.at > last - WINDOW]
    if len(window) < _FEWEST:
        return
    if median_gap(window) > _SPARSE:
        yield [(_days(each.at, last), each.value) for each in window]
        return
    points = _whole_weeks(metric, window)
    if len(points) >= _FEWEST:
        yield points


def _whole_weeks(metric: Metric, window: Sequence[Measurement]) -> list[tuple[float, float]]:
    """One value for each of the newest days that make whole weeks; none below two weeks."""
    last = window[-1].at
    by_day: dict[int, list[float]] = {}
    for each in window:
        by_day.setdefault((last - each.at) // _DAY, []).append(each.value)
    weeks = (max(by_day) + 1) // _WEEK_DAYS
    if weeks < 2:
        return []
    middle = fmean if metric.is_mean else median
    return [(-float(day), middle(by_day[day])) for day in sorted(by_day, reverse=True) if day < weeks * _WEEK_DAYS]


def _trend_in(metric: Metric, last: Measurement, points: Sequence[tuple[float, float]]) -> EarlyWarning | None:
    times, values = [time for time, _ in points], [value for _, value in points]
    if mann_kendall(values) > 1 - CONFIDENCE:
        return None
    slope = theil_sen(times, values, CONFIDENCE)
    if slope is None or slope.low * slope.high <= 0 or (slope.middle < 0 and not metric.is_fall_bad):
        return None
    seen_days = times[-1] - times[0]
    forecast = _forecast(last, slope, seen_days)
    if forecast is None and (metric.needs_limit or not _matters(metric, slope, points)):
        return None
    pace = f"{'grows' if slope.middle > 0 else 'falls'} by {amount(abs(slope.middle), metric.unit)} a day"
    seen = f"over {seen_days:.0f} days" if seen_days >= 2 else f"over {seen_days * 24:.0f} hours"
    told = f"{metric.words} {pace} {seen}, from {amount(slope.start, metric.unit)} to {amount(slope.end, metric.unit)}"
    if forecast is not None and last.limit is not None:
        told += f"; at that pace it reaches {amount(last.limit, metric.unit)} on {forecast[0]:%Y-%m-%d %H:%M} UTC"
    return EarlyWarning(
        subject=last.subject,
        metric=last.metric,
        kind=WarningKind.TREND,
        told=told,
        value=last.value,
        usual=slope.start,
        limit=last.limit,
        change_per_day=slope.middle,
        lowest_per_day=slope.low,
        highest_per_day=slope.high,
        **dict(zip(("forecast_at", "earliest_at", "latest_at"), forecast or (), strict=False)),
    )


def _forecast(last: Measurement, slope: Slope, seen_days: float) -> tuple[datetime, datetime, datetime] | None:
    """When the limit is reached at the middle, the highest and the lowest pace; null beyond the forecast's reach."""
    if last.limit is None or slope.low <= 0:
        return None
    left = max(last.limit - slope.end, 0.0)
    reach = min(_AHEAD / _DAY, _SEEN_TIMES * seen_days)
    if left / slope.middle > reach:
        return None
    middle, earliest, latest = (
        last.at + min(left / pace, _FARTHEST_DAYS) * _DAY for pace in (slope.middle, slope.high, slope.low)
    )
    return middle, earliest, latest


def _matters(metric: Metric, slope: Slope, points: Sequence[tuple[float, float]]) -> bool:
    """Whether the level moved by half, by what matters at least, and by a multiple of what it varies."""
    rest = [value - slope.middle * time for time, value in points]
    return abs(slope.end - slope.start) >= max(_MOVED * abs(slope.start), metric.least, metric.spreads * spread(rest))


def _days(at: datetime, last: datetime) -> float:
    return (at - last) / _DAY


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most 120 of them, evenly chosen, the last among them."""
    if len(points) <= _MOST:
        return points
    return [points[round(number * (len(points) - 1) / (_MOST - 1))] for number in range(_MOST)]
