"""A component counts as alive only by a heartbeat of its own process, over connections that it has now."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from groundwork.local.components import Component, is_heartbeat_fresh

SCHEDULER = Component(name="scheduler", arguments=("airflow", "scheduler"), heartbeat="scheduler")
_BEAT = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
_REPORT = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": _BEAT.isoformat()}}


@pytest.mark.parametrize(
    ("process_seconds", "database_seconds", "is_fresh"),
    [(0, 0, True), (29, 29, True), (31, 0, False), (0, 31, False)],
    ids=["long ago", "just before", "of a process before it", "from before the database came back"],
)
def test_a_heartbeat_counts_after_both_starts(process_seconds: int, database_seconds: int, is_fresh: bool) -> None:
    starts = [_BEAT.timestamp() - 30 + seconds for seconds in (process_seconds, database_seconds)]
    assert is_heartbeat_fresh(_REPORT, SCHEDULER, *starts) is is_fresh


@pytest.mark.parametrize(
    "report",
    [{}, {"scheduler": None}, {"scheduler": {**_REPORT["scheduler"], "status": "unhealthy"}}],
)
def test_without_a_healthy_report_nothing_counts(report: dict[str, object]) -> None:
    assert not is_heartbeat_fresh(report, SCHEDULER, 0)
