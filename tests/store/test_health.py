"""Measurements are kept once and for a bounded time; warnings have a life of their own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from groundwork.model.health import EarlyWarning, Measurement, WarningKind
from groundwork.store.health import KEPT, MEASUREMENT, HealthRecords
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WARNING = EarlyWarning(
    subject="disk:home",
    metric="disk_used_bytes",
    kind=WarningKind.TREND,
    told="it fills",
    value=5.0,
    limit=9.0,
    forecast_at=NOW + DAY,
)
SERIES = {(WARNING.subject, WARNING.metric)}


@pytest.fixture
def records(database: Database) -> HealthRecords:
    migrate(database.engine)
    return HealthRecords(database.engine)


def at(moment: datetime, value: float = 1.0, subject: str = "s", metric: str = "m") -> Measurement:
    return Measurement(subject=subject, metric=metric, at=moment, value=value, limit=2.0)


def test_the_same_moment_is_kept_once(records: HealthRecords) -> None:
    many = [at(NOW - number * MINUTE, float(number)) for number in range(1500)]
    assert records.add(many) == 1500
    assert records.add([at(NOW, 99.0), at(NOW + MINUTE)]) == 1
    assert records.newest() == {("s", "m"): NOW + MINUTE}
    assert records.add([]) == 0
    kept = records.series("s", "m", since=NOW - 2 * MINUTE)
    assert [(each.value, each.limit) for each in kept] == [(2.0, 2.0), (1.0, 2.0), (0.0, 2.0), (1.0, 2.0)]


def test_the_newest_of_several_series_come_in_one_query(records: HealthRecords) -> None:
    records.add([at(NOW - number * MINUTE, float(number), subject=name) for name in "abc" for number in range(5)])
    found = records.recent(["a", "b", "nobody"], limit=2)
    assert {key: [each.value for each in points] for key, points in found.items()} == {
        ("a", "m"): [1.0, 0.0],
        ("b", "m"): [1.0, 0.0],
    }


def test_what_is_old_is_thinned_and_what_is_too_old_is_removed(records: HealthRecords, database: Database) -> None:
    fresh = [at(NOW - number * 10 * MINUTE) for number in range(12)]
    hours = [at(NOW - 5 * DAY - number * 10 * MINUTE) for number in range(12)]
    other = [replace(each, metric="n") for each in hours]
    ancient = [at(NOW - KEPT - MINUTE)]
    records.add([*fresh, *hours, *other, *ancient])
    assert records.prune(NOW) == 2 * (12 - 3) + 1
    assert records.prune(NOW) == 0
    with database.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(MEASUREMENT)).scalar_one() == 12 + 2 * 3
    kept = records.series("s", "m", since=NOW - 6 * DAY)
    assert [each.at for each in kept if each.at < NOW - DAY] == [
        NOW - 5 * DAY - timedelta(minutes=110),
        NOW - 5 * DAY - timedelta(minutes=90),
        NOW - 5 * DAY - timedelta(minutes=30),
    ]


def test_a_warning_is_opened_once_renewed_and_cleared(records: HealthRecords) -> None:
    opened = records.keep([WARNING], SERIES, NOW).opened
    assert len(opened) == 1
    again = records.keep([replace(WARNING, told="it fills faster")], SERIES, NOW + HOUR)
    assert (again.opened, again.cleared) == ((), ())
    row = records.warnings()[0]
    assert (row["first_seen_at"], row["last_seen_at"], row["told"]) == (NOW, NOW + HOUR, "it fills faster")
    assert row["details"]["forecast_at"] == (NOW + DAY).isoformat()
    gone = records.keep([], SERIES, NOW + 2 * HOUR)
    assert (gone.opened, gone.cleared) == ((), opened)
    assert records.warnings() == []
    assert records.warnings(only_open=False)[0]["cleared_at"] == NOW + 2 * HOUR


def test_what_was_not_looked_at_is_not_cleared(records: HealthRecords) -> None:
    records.keep([WARNING], SERIES, NOW)
    assert records.keep([], {("disk:home", "another")}, NOW + HOUR).cleared == ()
    assert len(records.warnings()) == 1


def test_one_that_comes_back_within_a_day_is_told_once_and_later_anew(records: HealthRecords) -> None:
    first = records.keep([WARNING], SERIES, NOW).opened
    assert [row["id"] for row in records.untold()] == list(first)
    records.mark_told(first, NOW)
    records.keep([], SERIES, NOW + HOUR)
    assert records.keep([WARNING], SERIES, NOW + 5 * HOUR).opened == ()
    assert records.untold() == []
    assert len(records.warnings()) == 1
    records.keep([], SERIES, NOW + 6 * HOUR)
    second = records.keep([WARNING], SERIES, NOW + 3 * DAY).opened
    assert second != first
    assert [row["id"] for row in records.untold()] == list(second)


def test_a_trend_that_becomes_a_reached_limit_is_another_warning(records: HealthRecords) -> None:
    records.keep([WARNING], SERIES, NOW)
    kept = records.keep([replace(WARNING, kind=WarningKind.LIMIT)], SERIES, NOW + HOUR)
    assert (len(kept.opened), len(kept.cleared)) == (1, 1)
    assert [row["kind"] for row in records.warnings()] == ["limit"]


def test_two_that_look_at_once_open_one(records: HealthRecords) -> None:
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda _: records.keep([WARNING], SERIES, NOW), range(8)))
    assert sum(len(each.opened) for each in kept) == 1
    assert len(records.warnings()) == 1
