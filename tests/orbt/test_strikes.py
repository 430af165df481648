"""The decision after a failure, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from groundwork.model.fault import Fault, StrikeAction
from groundwork.orbt.patterns import Backoff, Patterns, read_patterns
from groundwork.orbt.strikes import Decision, History, decide, delay_seconds

_NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def patterns() -> Patterns:
    return read_patterns(Path(__file__).parents[2] / "governance" / "patterns")


def _decide(patterns: Patterns, name: str, history: History, *, left: bool = True, state: str = "00000") -> Decision:
    fault = Fault(fault_class=name, exception="x", message="x", sqlstate=state)
    return decide(fault, patterns.named(name), history, has_try_left=left, now=_NOW, seed=1)


def test_two_strikes_are_retried_with_their_own_solutions_and_the_third_asks_a_person(patterns: Patterns) -> None:
    first, second, third = (
        _decide(patterns, "connection_failures", History(earlier_strikes=earlier)) for earlier in range(3)
    )
    assert (first.action, second.action, third.action) == ("retry", "retry", "ask_person")
    assert (first.number, second.number, third.number) == (1, 2, 3)
    assert "credential refresh" in [each.name for each in first.solutions]
    assert "read replica" in [each.name for each in second.solutions]
    assert third.delay_seconds is None
    assert third.solutions == ()


@pytest.mark.parametrize("name", ["programming_error", "schema_drift"])
def test_what_trying_again_cannot_mend_goes_to_a_person_at_once(patterns: Patterns, name: str) -> None:
    assert _decide(patterns, name, History()).action is StrikeAction.ASK_PERSON


def test_a_task_without_a_try_left_asks_a_person_whatever_the_strike(patterns: Patterns) -> None:
    decision = _decide(patterns, "unknown", History(), left=False)
    assert decision.action is StrikeAction.ASK_PERSON
    assert "no try left" in decision.reason


def test_corruption_is_never_retried(patterns: Patterns) -> None:
    decision = _decide(patterns, "data_integrity_issues", History(), state="XX001")
    assert decision.action is StrikeAction.ASK_PERSON
    assert "corruption" in decision.reason


@pytest.mark.parametrize(("hours_ago", "action"), [(1, "ask_person"), (30, "retry")])
def test_a_loss_in_run_after_run_is_persistent_only_when_recent(
    patterns: Patterns, hours_ago: float, action: str
) -> None:
    runs = tuple(_NOW - timedelta(hours=hours_ago) for _ in range(3))
    assert _decide(patterns, "connection_failures", History(other_runs_at=runs)).action == action


def test_waiting_grows_is_bounded_and_differs_between_tasks() -> None:
    backoff = Backoff(base_seconds=10, factor=3, max_seconds=60)
    assert 7.5 <= delay_seconds(backoff, 1) <= 10
    assert 22.5 <= delay_seconds(backoff, 2) <= 30
    assert 45 <= delay_seconds(backoff, 50) <= 60
    assert delay_seconds(backoff, 2, seed=1) == delay_seconds(backoff, 2, seed=1)
    assert len({delay_seconds(backoff, 1, seed=seed) for seed in range(20)}) > 10


def test_a_class_without_a_pattern_is_retried(patterns: Patterns) -> None:
    assert _decide(patterns, "nobody_declared_this", History()).action is StrikeAction.RETRY


@pytest.mark.parametrize(("load", "action"), [(25.0, "ask_person"), (2.0, "retry")])
def test_an_overloaded_system_is_not_asked_again(patterns: Patterns, load: float, action: str) -> None:
    decision = _decide(patterns, "slow_queries", History(observed={"load_per_core": load}), state="57014")
    assert decision.action == action
