"""Early warnings from series: none from quiet ones, and the right one, with its date, from those that grow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwork.model.health import EarlyWarning, WarningKind
from groundwork.orbt.health.robust import mann_kendall, spread, theil_sen
from groundwork.orbt.health.trends import FALSE_ALARMS, METRICS, judge
from tests.orbt.health.series_samples import DAY, HOUR, QUIET, START, noise_of, series, shaped

_LIMITED = ("run_seconds", "connections", "lag_seconds", "disk_used_bytes")
_ALL = (*_LIMITED, "run_rows", "run_strikes")
_EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def one(found: tuple[EarlyWarning, ...]) -> EarlyWarning:
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("metric", METRICS)
@_EXAMPLES
@given(value=st.floats(0, 1e12), count=st.integers(1, 80), every=st.sampled_from([HOUR / 6, HOUR, DAY, 7 * DAY]))
def test_a_series_that_never_varies_never_warns(metric: str, value: float, count: int, every: timedelta) -> None:
    assert judge(series([value] * count, metric=metric, every=every, limit=value * 2 + 1)) == ()


@pytest.mark.parametrize("metric", ["run_seconds", "connections"])
@_EXAMPLES
@given(scale=st.floats(1e-3, 1e9), shift=st.floats(0, 1e9), seed=st.integers(0, 10_000))
def test_noise_of_any_size_and_level_does_not_warn(metric: str, scale: float, shift: float, seed: int) -> None:
    noise = noise_of(seed)
    values = [shift + scale * (3 + noise.random()) for _ in range(42)]
    assert judge(series(values, metric=metric, limit=max(values) * 2)) == ()


@_EXAMPLES
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=40))
def test_no_values_break_the_statistics(values: list[float]) -> None:
    assert 0 <= mann_kendall(values) <= 1
    assert spread(values) >= 0
    slope = theil_sen(list(range(len(values))), values, 0.99)
    assert slope is None or slope.low <= slope.middle <= slope.high
    judge(series(values))


@_EXAMPLES
@given(
    slope=st.floats(-1e3, 1e3).filter(lambda value: abs(value) > 1e-3),
    spoiled=st.sets(st.integers(0, 39), max_size=8),
)
def test_the_slope_does_not_follow_a_fifth_of_wild_values(slope: float, spoiled: set[int]) -> None:
    values = [slope * number for number in range(40)]
    wild = [1e9 if number in spoiled else value for number, value in enumerate(values)]
    found = theil_sen(list(range(40)), wild, 0.99)
    assert found is not None
    assert found.middle == pytest.approx(slope, rel=0.25, abs=abs(slope) * 0.25)
    assert mann_kendall(values) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("every", [HOUR * 8, DAY])
def test_quiet_series_that_are_judged_for_a_month_warn_no_more_often_than_is_stated(every: timedelta) -> None:
    per_day = round(DAY / every)
    judged, alarmed = 0, []
    for metric in _ALL:
        for name, shape in QUIET.items():
            for seed in range(5):
                values = shaped(shape, seed, days=44, every=every)
                found = series(values, metric=metric, every=every, limit=1000.0 if metric in _LIMITED else None)
                days = range(14, 45, 2)
                warned = [one for day in days for one in judge(found[: day * per_day])]
                judged += 1
                if warned:
                    alarmed.append((metric, name, seed, warned[0].told))
    assert len(alarmed) / judged <= FALSE_ALARMS, alarmed


@pytest.mark.parametrize("every", [HOUR, DAY])
def test_a_growing_duration_is_told_with_the_date_it_breaks_its_promise(every: timedelta) -> None:
    noise = noise_of(7)
    pace = every / DAY
    values = [100 + 4 * number * pace + noise.gauss(0, 6) for number in range(round(28 / pace))]
    found = one(judge(series(values, every=every, limit=300.0)))
    assert (found.kind, found.metric) == (WarningKind.TREND, "run_seconds")
    assert found.change_per_day == pytest.approx(4, rel=0.1)
    assert found.lowest_per_day is not None
    assert found.highest_per_day is not None
    assert found.lowest_per_day < 4 < found.highest_per_day
    assert found.forecast_at is not None
    assert abs(found.forecast_at - (START + 50 * DAY)) < 3 * DAY
    assert found.earliest_at is not None
    assert found.latest_at is not None
    assert found.earliest_at <= found.forecast_at <= found.latest_at
    assert f"reaches 5.0 min on {found.forecast_at:%Y-%m-%d}" in found.told


def test_growth_below_a_season_is_found_too() -> None:
    noise = noise_of(3)
    shape = QUIET["working days"]
    values = [shape(number, noise) * (1 + number / 20) for number in range(42)]
    found = one(judge(series(values)))
    assert found.kind is WarningKind.TREND
    assert found.forecast_at is None


def test_a_far_limit_is_no_reason_to_warn() -> None:
    noise = noise_of(5)
    values = [1000 + number + noise.gauss(0, 2) for number in range(42)]
    assert judge(series(values, metric="disk_used_bytes", limit=1e9)) == ()
    assert judge(series(values, limit=1e9)) == ()


def test_a_disk_that_fills_within_the_day_is_told_within_two_hours() -> None:
    values = [500.0 + 25 * number for number in range(13)]
    found = one(judge(series(values, metric="disk_used_bytes", every=HOUR / 6, limit=1000.0)))
    assert found.kind is WarningKind.TREND
    assert found.forecast_at is not None
    assert abs(found.forecast_at - (START + HOUR * 20 / 6)) < timedelta(minutes=1)
    assert "over 2 hours" in found.told


def test_a_forecast_does_not_look_farther_than_three_times_what_it_saw() -> None:
    values = [500.0 + 5 * number for number in range(73)]
    seen = series(values, metric="disk_used_bytes", every=HOUR / 6, limit=1000.0)
    first = next(count for count in range(len(seen)) if judge(seen[:count]))
    assert first == 27  # after 26 steps the rest takes 74, which is less than three times as many for the first time


def test_lag_of_a_stream_that_nobody_reads_is_told_before_its_promise_breaks() -> None:
    values = [600.0 * number for number in range(24)]
    found = one(judge(series(values, metric="lag_seconds", every=HOUR / 6, limit=6 * 3600.0)))
    assert found.kind is WarningKind.TREND
    assert found.forecast_at == START + 6 * HOUR


@pytest.mark.parametrize(
    ("values", "is_near"), [([70, 85, 85], False), ([85, 85, 85], True), ([85, 85, 10], False), ([100, 120, 120], True)]
)
def test_close_to_the_limit_has_to_last(values: list[float], is_near: bool) -> None:
    found = judge(series(values, metric="connections", every=HOUR / 6, limit=100.0))
    assert [each.kind for each in found] == ([WarningKind.LIMIT] if is_near else [])
    if is_near:
        assert "of the 100 connections that it must not reach" in found[0].told


@pytest.mark.parametrize("name", ["normal noise", "waves of a week", "working days", "constant"])
def test_a_step_is_told_when_it_lasts(name: str) -> None:
    values = shaped(QUIET[name], 1, days=28, every=DAY)
    assert judge(series([*values, 900.0])) == ()
    found = one(judge(series([*values, 900.0, 950.0])))
    assert found.kind is WarningKind.STEP
    assert "jumped to 15.8 min" in found.told


def test_rows_that_stop_coming_are_told_and_a_faster_run_is_not() -> None:
    values = shaped(QUIET["normal noise"], 2, days=28, every=DAY)
    found = one(judge(series([*values, 0.0, 0.0], metric="run_rows")))
    assert (found.kind, found.value) == (WarningKind.STEP, 0.0)
    assert "dropped to 0 records" in found.told
    assert judge(series([*values, 0.0, 0.0], metric="run_seconds")) == ()


def test_rows_that_dwindle_are_told() -> None:
    noise = noise_of(4)
    values = [1000 - 20 * number + noise.gauss(0, 20) for number in range(35)]
    found = one(judge(series(values, metric="run_rows")))
    assert found.kind is WarningKind.TREND
    assert "falls by" in found.told
    assert judge(series(values, metric="run_seconds")) == ()


def test_strikes_that_become_frequent_are_told() -> None:
    noise = noise_of(6)
    values = [float(noise.random() < number / 168) + float(noise.random() < number / 168) for number in range(168)]
    found = one(judge(series(values, metric="run_strikes", every=4 * HOUR)))
    assert found.kind is WarningKind.TREND
    assert "strikes per run grows by 0.1 strikes a day" in found.told


def test_what_nobody_knows_and_nothing_at_all_do_not_warn() -> None:
    assert judge([]) == ()
    assert judge(series([1.0, 2.0], metric="height")) == ()
