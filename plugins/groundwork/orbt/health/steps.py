"""A sudden change: the newest values against what a seasonal-naive forecast expects of them.

Expected is the middle of the last three values of the same time of the week, else of the day, else the usual one. How
far off the last one of them commonly is gives the scale; a step is far beyond it, beyond everything that was seen
before, and large enough to matter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from groundwork.model.health import EarlyWarning, Measurement, WarningKind
from groundwork.orbt.health.robust import spread
from groundwork.orbt.health.series import amount, median_gap

_WINDOW = timedelta(days=28)
_FEWEST = 14  # values before the newest ones
_SEASONS = (timedelta(days=7), timedelta(days=1))
_SPARSE = timedelta(days=3.5)  # fewer than two a week: no season of days can be seen
_FAR = 5.0  # scales off what was expected
_BEYOND = 3.0  # scales beyond all that was seen
_LARGE = 0.5  # share of what was expected
_CYCLES = 3  # seasons that are looked back to
_CLOSE = timedelta(minutes=30)  # to the same time of a season
_FLOOR = 0.01  # of the usual value: the scale of a series that never varied


def step(
    series: Sequence[Measurement], *, words: str, unit: str, least: float, sustained: int, is_fall_bad: bool
) -> EarlyWarning | None:
    """The step that the newest `sustained` measurements make, or null.

    Measurements that come more than twice a week must span a week, or the first Monday would be a step.
    """
    last = series[-1]
    window = [each for each in series if each.at > last.at - _WINDOW]
    before, newest = window[:-sustained], window[-sustained:]
    if len(before) < _FEWEST or len(newest) < sustained:
        return None
    gap = median_gap(before)
    if gap <= _SPARSE and before[-1].at - before[0].at < _SEASONS[0]:
        return None
    scale = max(_scale(before, gap), _FLOOR * abs(median(each.value for each in before)))
    expected = [_expected(before, each.at, gap) for each in newest]
    lowest, highest = min(each.value for each in before), max(each.value for each in before)
    rises = [each.value - usual for each, usual in zip(newest, expected, strict=True)]
    large = [max(_FAR * scale, _LARGE * abs(usual), least) for usual in expected]
    is_rise = all(rise > size for rise, size in zip(rises, large, strict=True)) and all(
        each.value > highest + _BEYOND * scale for each in newest
    )
    is_fall = all(-rise > size for rise, size in zip(rises, large, strict=True)) and all(
        each.value < lowest - _BEYOND * scale for each in newest
    )
    if not (is_rise or (is_fall and is_fall_bad)):
        return None
    usual = expected[-1]
    told = (
        f"{words} {'jumped' if is_rise else 'dropped'} to {amount(last.value, unit)}; expected was "
        f"{amount(usual, unit)}, seen before were {amount(lowest, unit)} to {amount(highest, unit)}"
    )
    return EarlyWarning(
        subject=last.subject,
        metric=last.metric,
        kind=WarningKind.STEP,
        told=told,
        value=last.value,
        usual=usual,
        limit=last.limit,
    )


def _scale(before: Sequence[Measurement], gap: timedelta) -> float:
    """What the value of one season ago was commonly off by; without seasons what values vary by."""
    moments = [each.at for each in before]
    errors = [
        each.value - before[places[0]].value for each in before if (places := _seasons_before(moments, each.at, gap))
    ]
    varied = spread([each.value for each in before])
    return varied if len(errors) < _FEWEST // 2 else max(spread(errors), varied / 10)


def _expected(before: Sequence[Measurement], at: datetime, gap: timedelta) -> float:
    places = _seasons_before([each.at for each in before], at, gap)
    return median([before[place].value for place in places] or [each.value for each in before])


def _seasons_before(moments: Sequence[datetime], at: datetime, gap: timedelta) -> list[int]:
    """The places of the measurements one, two and three weeks before `at`, the last first; else of days before it."""
    for season in _SEASONS:
        if gap > season / 2:
            continue
        near = (_nearest(moments, at - number * season) for number in range(1, _CYCLES + 1))
        reach = max(gap, _CLOSE)
        found = [
            place
            for number, place in enumerate(near, 1)
            if place is not None and abs(moments[place] - (at - number * season)) <= reach and moments[place] < at
        ]
        if found:
            return found
    return []


def _nearest(moments: Sequence[datetime], wanted: datetime) -> int | None:
    place = bisect_left(moments, wanted)
    near = [each for each in (place - 1, place) if 0 <= each < len(moments)]
    return min(near, key=lambda each: abs(moments[each] - wanted), default=None)
