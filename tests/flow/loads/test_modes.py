"""What a load does to rows that are there: replaced, kept as a snapshot, or ended and followed by a new version."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot

pytestmark = pytest.mark.postgres

HEADER = "item_id,name,price"
_CALM_SECONDS = 60  # more than a test of one day takes
ITEMS = [column("item_id", "bigint", key=1), column("name", "text", required=True), column("price", "numeric(8,2)")]


def _counts(result: Any) -> tuple[int, ...]:
    return (result.read, result.loaded, result.updated, result.unchanged, result.quarantined, result.removed)


@pytest.fixture
def one_day() -> None:
    """No midnight falls into the test: the rest of a day that is about to end is waited out."""
    now = datetime.now(UTC)
    left = (datetime.combine(now.date(), time.min, UTC) + timedelta(days=1) - now).total_seconds()
    if left < _CALM_SECONDS:
        sleep(left + 1)


@pytest.fixture
def replaced(database: Database, tmp_path: Path) -> Depot:
    unique = {"property": "uniqueKeys", "value": [{"name": "items_name_key", "columns": ["name"]}]}
    return make_depot(database.engine, tmp_path, ITEMS, source={"mode": "replace"}, properties=[unique])


def test_rows_come_change_and_leave(replaced: Depot) -> None:
    replaced.load(HEADER, "1,a,1.00", "2,b,2.00", "3,c,3.00")
    result = replaced.load(HEADER, "2,b,2.50", "3,c,3.00", "4,a,4.00")  # the name of a row that leaves is free
    assert _counts(result) == (3, 1, 1, 1, 0, 1)
    assert [row[0] for row in replaced.rows()] == [2, 3, 4]
    assert _counts(replaced.load()) == (3, 0, 0, 3, 0, 0)
    assert replaced.leftovers() == []


def test_nothing_leaves_while_a_record_is_broken(replaced: Depot) -> None:
    replaced.load(HEADER, "1,a,1.00", "2,b,2.00")
    result = replaced.load(HEADER, "2,b,2.00", "1,a,no price")
    assert _counts(result) == (2, 0, 0, 1, 1, 0)
    assert [row[0] for row in replaced.rows()] == [1, 2]


def test_an_empty_source_empties_the_table(replaced: Depot) -> None:
    replaced.load(HEADER, "1,a,1.00")
    assert _counts(replaced.load(HEADER)) == (0, 0, 0, 0, 0, 1)
    assert replaced.rows() == []


SNAPSHOT_COLUMNS = (column("taken_on", "date", key=1), column("item_id", "bigint", key=2), column("name", "text"))


@pytest.fixture
def snapshots(database: Database, tmp_path: Path) -> Depot:
    source = {
        "mode": "snapshot",
        "snapshot": {"column": "taken_on"},
        "columns": {"item_id": "item_id", "name": "name"},
    }
    return make_depot(database.engine, tmp_path, SNAPSHOT_COLUMNS, source=source)


def test_days_stand_side_by_side_and_a_day_can_be_taken_again(snapshots: Depot) -> None:
    first = snapshots.load("item_id,name", "1,a", "2,b", snapshot="2024-01-01")
    second = snapshots.load("item_id,name", "2,b", "3,c", snapshot="2024-01-02")
    again = snapshots.load("item_id,name", "2,B", "3,c", snapshot="2024-01-02")
    assert [_counts(each) for each in (first, second, again)] == [
        (2, 2, 0, 0, 0, 0),
        (2, 2, 0, 0, 0, 0),
        (2, 0, 1, 1, 0, 0),
    ]
    corrected = snapshots.load("item_id,name", "3,c", snapshot="2024-01-02")
    assert corrected.removed == 1
    day = date(2024, 1, 1)
    assert snapshots.rows() == [(day, 1, "a"), (day, 2, "b"), (date(2024, 1, 2), 3, "c")]


@pytest.mark.usefixtures("one_day")
def test_the_day_is_today_when_nobody_says(snapshots: Depot) -> None:
    snapshots.load("item_id,name", "1,a")
    assert snapshots.rows("SELECT taken_on = current_date FROM depot.items") == [(True,)]


def test_the_column_has_to_be_part_of_the_key(database: Database, tmp_path: Path) -> None:
    source = {"mode": "snapshot", "snapshot": {"column": "name"}}
    depot = make_depot(database.engine, tmp_path, SNAPSHOT_COLUMNS, source=source)
    with pytest.raises(ConfigError, match=r"source\.snapshot\.column: one of taken_on, item_id"):
        depot.load("item_id,name", "1,a")


HISTORY = {"key": ["item_id"], "valid_from": "valid_from", "valid_to": "valid_to", "is_current": "is_current"}


def _versions(kind: str) -> list[dict[str, Any]]:
    return [
        column("item_id", "bigint", key=1),
        column("valid_from", kind, key=2),
        column("valid_to", kind),
        column("is_current", "boolean", required=True),
        column("name", "text", required=True),
    ]


@pytest.fixture
def history(database: Database, tmp_path: Path) -> Depot:
    source = {"mode": "scd2", "history": HISTORY, "columns": {"item_id": "item_id", "name": "name"}}
    return make_depot(database.engine, tmp_path, _versions("timestamptz"), source=source)


def test_a_change_ends_a_version_and_begins_another(history: Depot) -> None:
    assert _counts(history.load("item_id,name", "1,a", "2,b")) == (2, 2, 0, 0, 0, 0)
    assert _counts(history.load("item_id,name", "1,A", "2,b", "3,c")) == (3, 1, 1, 1, 0, 0)
    assert _counts(history.load()) == (3, 0, 0, 3, 0, 0)
    ended, current = history.rows(
        "SELECT name, valid_from, valid_to, is_current FROM depot.items WHERE item_id = 1 ORDER BY 2"
    )
    assert (ended[0], ended[3], current[0], current[3]) == ("a", False, "A", True)
    assert ended[2] == current[1]
    assert current[2] is None
    assert history.rows("SELECT count(*) FROM depot.items WHERE is_current <> (valid_to IS NULL)") == [(0,)]


def test_a_clock_that_goes_back_begins_no_version_before_the_last(history: Depot) -> None:
    history.load("item_id,name", "1,a")
    ahead = datetime.now(UTC) + timedelta(days=2)
    history.run(f"UPDATE depot.items SET valid_from = '{ahead.isoformat()}'")
    history.load("item_id,name", "1,A")
    history.load("item_id,name", "1,AA")
    rows = history.rows("SELECT name, valid_from, valid_to FROM depot.items ORDER BY valid_from")
    assert [row[0] for row in rows] == ["a", "A", "AA"]
    assert all(row[2] is None or row[1] < row[2] for row in rows)
    assert [row[2] for row in rows[:-1]] == [row[1] for row in rows[1:]]


def test_one_thing_twice_in_a_source_is_told(history: Depot) -> None:
    result = history.load("item_id,name", "1,a", "1,b", "1,a")
    assert (result.loaded, result.duplicates, result.quarantined) == (1, 1, 1)
    assert result.reasons == {"duplicate_key": 1}


def test_what_vanishes_stays_or_ends_as_declared(database: Database, tmp_path: Path) -> None:
    source = {
        "mode": "scd2",
        "history": {**HISTORY, "on_missing": "close"},
        "columns": {"item_id": "item_id", "name": "name"},
    }
    depot = make_depot(database.engine, tmp_path, _versions("timestamptz"), source=source)
    depot.load("item_id,name", "1,a", "2,b")
    assert depot.load("item_id,name", "1,a").removed == 1
    assert depot.rows("SELECT item_id FROM depot.items WHERE is_current") == [(1,)]
    back = depot.load("item_id,name", "1,a", "2,b")
    assert (back.loaded, back.unchanged) == (1, 1)
    assert depot.rows("SELECT count(*) FROM depot.items WHERE item_id = 2") == [(2,)]


@pytest.mark.usefixtures("one_day")
def test_by_day_a_second_change_of_one_day_corrects_the_version(database: Database, tmp_path: Path) -> None:
    source = {"mode": "scd2", "history": HISTORY, "columns": {"item_id": "item_id", "name": "name"}}
    depot = make_depot(database.engine, tmp_path, _versions("date"), source=source)
    depot.load("item_id,name", "1,a")
    depot.run("UPDATE depot.items SET valid_from = current_date - 3")
    assert depot.load("item_id,name", "1,A").updated == 1
    assert depot.load("item_id,name", "1,AA").updated == 1
    rows = depot.rows("SELECT name, valid_to - valid_from FROM depot.items ORDER BY valid_from")
    assert rows == [("a", 3), ("AA", None)]


def test_versions_that_bring_their_beginning_come_in_any_order(database: Database, tmp_path: Path) -> None:
    fields = {"item_id": "item_id", "name": "name", "valid_from": "since"}
    source = {"mode": "scd2", "history": HISTORY, "columns": fields}
    depot = make_depot(database.engine, tmp_path, _versions("date"), source=source)
    depot.load("item_id,name,since", "1,c,2024-03-01", "1,a,2024-01-01")
    late = depot.load("item_id,name,since", "1,b,2024-02-01", "1,a,2024-01-01")
    assert (late.loaded, late.unchanged) == (1, 1)
    rows = depot.rows("SELECT name, valid_from, valid_to, is_current FROM depot.items ORDER BY valid_from")
    months = [date(2024, month, 1) for month in (1, 2, 3)]
    assert rows == [
        ("a", months[0], months[1], False),
        ("b", months[1], months[2], False),
        ("c", months[2], None, True),
    ]


def test_the_key_has_to_be_declared(database: Database, tmp_path: Path) -> None:
    depot = make_depot(database.engine, tmp_path, _versions("date"), source={"mode": "scd2"})
    with pytest.raises(ConfigError, match=r"source\.history\.key"):
        depot.load("item_id,name", "1,a")
