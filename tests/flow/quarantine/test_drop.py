"""Rows of the quarantine that are given up: marked, kept, left out by replays; the books stay what they were."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow import ledger
from groundwork.flow.quarantine.drop import DropResult, drop_quarantined
from groundwork.flow.quarantine.read import Selection, counts, total
from groundwork.flow.quarantine.replay import replay_quarantine
from groundwork.flow.quarantine.replay_source import Corrections
from groundwork.flow.quarantine.turn import turn
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres
COLUMNS = (column("id", "bigint", key=1), column("day", "date", required=True), column("price", "numeric"))
LINES = ("id,day,price", "1,2026-01-01,1", "2,never,2", "3,2026-01-03,much", "4,never,much")


@pytest.fixture
def depot(database: Database, tmp_path: Path) -> Depot:
    found = make_depot(database.engine, tmp_path, COLUMNS, source={"mode": "merge"})
    assert found.load(*LINES).quarantined == 3
    return found


def drop(depot: Depot, *, because: str = "the shop is closed", **chosen: Any) -> DropResult:
    return drop_quarantined(
        depot.engine, depot.table, selection=Selection(**chosen) if chosen else None, actor="cli:ann", because=because
    )


def states(depot: Depot) -> list[str]:
    return [row[0] for row in depot.rows("SELECT state FROM groundwork_flow.quarantine ORDER BY quarantine_id")]


def test_what_is_given_up_is_marked_and_kept_and_the_books_stay(depot: Depot) -> None:
    before = depot.rows("SELECT * FROM groundwork_flow.load")
    kept = depot.rows("SELECT raw, reasons, source, position FROM groundwork_flow.quarantine ORDER BY quarantine_id")
    result = drop(depot, reason="type:price")
    assert (result.table, result.dropped, result.left) == ("depot.items", 2, 1)
    assert states(depot) == ["held", "dropped", "dropped"]
    marks = depot.rows(
        "SELECT DISTINCT dropped_by, dropped_because, dropped_at <= now() FROM groundwork_flow.quarantine "
        "WHERE state = 'dropped'"
    )
    assert marks == [("cli:ann", "the shop is closed", True)]
    assert depot.rows("SELECT * FROM groundwork_flow.load") == before
    now = depot.rows("SELECT raw, reasons, source, position FROM groundwork_flow.quarantine ORDER BY quarantine_id")
    assert now == kept
    assert drop(depot, reason="type:price").dropped == 0
    assert drop(depot, because="all of it").dropped == 1
    assert str(drop(depot)) == "depot.items: 0 rows of the quarantine dropped, 0 still held"


def test_a_replay_leaves_them_out_and_they_count_apart(depot: Depot) -> None:
    drop(depot, ids=(2,))
    result = replay_quarantine(
        depot.engine,
        depot.domain,
        depot.table,
        project=depot.folder,
        corrections=Corrections(for_all={"day": "2026-01-09", "price": "9"}),
    )
    assert (result.selected, result.replayed) == (2, 2)
    assert states(depot) == ["replayed", "dropped", "replayed"]
    assert [row[0] for row in depot.rows()] == [1, 2, 4]
    with depot.engine.begin() as connection:
        assert counts(connection, Selection()) == []
        assert [row["rows"] for row in counts(connection, Selection(state="dropped"))] == [1]
        assert total(connection, Selection(state=None)) == 3
    assert drop(depot).dropped == 0  # what was replayed is settled


def test_only_rows_that_are_held_can_be_named(depot: Depot) -> None:
    with pytest.raises(ConfigError, match="not all of these rows are held"):
        drop(depot, ids=(1, 77))
    assert states(depot) == ["held"] * 3
    assert drop(depot, load_id=99).dropped == 0


@pytest.mark.parametrize("because", ["", "  \n"])
def test_a_reason_is_needed(depot: Depot, because: str) -> None:
    with pytest.raises(ConfigError, match="without a reason"):
        drop(depot, because=because)
    assert states(depot) == ["held"] * 3


def test_it_waits_for_whoever_settles_rows_of_the_table(depot: Depot) -> None:
    done: list[DropResult] = []
    with turn(depot.engine, "depot.items"):
        thread = threading.Thread(target=lambda: done.append(drop(depot)))
        thread.start()
        thread.join(timeout=0.5)
        assert thread.is_alive()
        assert states(depot) == ["held"] * 3
    thread.join(PATIENCE_SECONDS)
    assert [each.dropped for each in done] == [3]


def test_a_ledger_of_an_older_form_learns_it(depot: Depot) -> None:
    for name in ("dropped_at", "dropped_by", "dropped_because"):
        depot.run(f"ALTER TABLE groundwork_flow.quarantine DROP COLUMN {name} CASCADE")
    with depot.engine.begin() as connection:
        ledger.ensure(connection)
    assert drop(depot).dropped == 3
    with pytest.raises(Exception, match="ck_quarantine_dropped"):
        depot.run("UPDATE groundwork_flow.quarantine SET state = 'held'")
