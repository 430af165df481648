"""Rules give a signal on the day of the crossing, never look ahead, and refuse parameters that make no sense."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundwork.market.indicators import impulses
from groundwork.market.strategies import Strategy
from groundwork.model.errors import ConfigError

CONFIGS: dict[str, dict[str, Any]] = {
    "moving_average_cross": {"fast_days": 2, "slow_days": 4},
    "rate_of_change": {"window_days": 3, "buy_above_pct": 10, "sell_below_pct": 0},
    "z_score": {"window_days": 4, "buy_below": 1.5, "sell_above": 0.5},
}


def strategy(kind: str, **changed: Any) -> Strategy:
    config = {"kind": kind, **CONFIGS.get(kind, {}), **changed}
    return Strategy(strategy_id=uuid.UUID(int=1), name=kind, priority=1, config=config, is_active=True)


def signals(kind: str, closes: list[float]) -> list[tuple[int, str]]:
    return [(each.index, each.action) for each in impulses(strategy(kind), closes)]


def test_moving_averages_cross_up_and_down() -> None:
    assert signals("moving_average_cross", [5, 4, 3, 2, 1, 4, 8, 9, 5, 1, 1]) == [(6, "buy"), (9, "sell")]


def test_a_strong_rise_is_bought_and_its_end_is_sold() -> None:
    closes = [10.0, 10, 10, 10, 10, 12, 12, 12, 12, 11, 11]
    assert signals("rate_of_change", closes) == [(5, "buy"), (9, "sell")]
    (buy, _) = impulses(strategy("rate_of_change"), closes)
    assert buy.strength == pytest.approx(0.2)
    assert buy.indicators == {"rate_of_change": pytest.approx(0.2)}


def test_an_unusual_fall_is_bought_and_the_recovery_is_sold() -> None:
    assert signals("z_score", [10, 11, 10, 11, 10, 2, 10, 12]) == [(5, "buy"), (7, "sell")]


def test_flat_prices_give_no_signal() -> None:
    for kind in CONFIGS:
        assert signals(kind, [7.0] * 50) == []


@given(
    kind=st.sampled_from(sorted(CONFIGS)),
    closes=st.lists(st.floats(1, 1000), min_size=6, max_size=40),
    cut=st.integers(5, 40),
)
def test_no_day_looks_at_a_later_one(kind: str, closes: list[float], cut: int) -> None:
    whole = [each for each in impulses(strategy(kind), closes) if each.index < cut]
    assert list(impulses(strategy(kind), closes[:cut])) == whole


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("guess", {}),
        ("moving_average_cross", {"fast_days": 4}),
        ("moving_average_cross", {"slow_days": "fifty"}),
        ("rate_of_change", {"window_days": 0}),
        ("rate_of_change", {"buy_above_pct": True}),
        ("z_score", {"buy_below": -1}),
        ("z_score", {"window_days": None}),
    ],
)
def test_parameters_that_make_no_sense_are_refused(kind: str, changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        list(impulses(strategy(kind, **changed), [1.0] * 20))
    assert "strategies.config" in (caught.value.where or "")


def test_a_strategy_without_a_rule_gives_nothing() -> None:
    nothing = Strategy(strategy_id=uuid.UUID(int=2), name="none", priority=1, config={}, is_active=True)
    assert list(impulses(nothing, [1.0, 2.0])) == []
