"""How many broken records a load takes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError, DataQualityError
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot

pytestmark = pytest.mark.postgres

COLUMNS = [column("item_id", "bigint", key=1), column("price", "numeric(8,2)", required=True)]
GOOD = [f"{number},1.00" for number in range(1, 98)]


def _depot(database: Database, folder: Path, **bounds: object) -> Depot:
    return make_depot(database.engine, folder, COLUMNS, source={"quarantine": bounds})


def test_below_the_bound_a_load_goes_on(database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    depot = _depot(database, tmp_path, warn_above="3 %", stop_above=10)
    with caplog.at_level(logging.WARNING):
        result = depot.load("item_id,price", *GOOD, "a,1", "b,1", "c,1")
    assert (result.loaded, result.quarantined) == (97, 3)
    assert "broken" not in caplog.text


def test_above_it_a_load_warns(database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    depot = _depot(database, tmp_path, warn_above="2.5 %")
    with caplog.at_level(logging.WARNING):
        result = depot.load("item_id,price", *GOOD, "a,1", "b,1", "c,1")
    assert result.loaded == 97
    assert "3 of 100 records are broken, more than 2.5 %" in caplog.text


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_stopped_load_changes_nothing_and_tells_why(database: Database, tmp_path: Path, is_empty: bool) -> None:
    depot = _depot(database, tmp_path, stop_above=2)
    if not is_empty:
        depot.load("item_id,price", "1,1.00")
    with pytest.raises(DataQualityError, match=r"3 of 100 records broken: type:item_id \(3\)"):
        depot.load("item_id,price", *GOOD, "a,1", "b,1", "c,1")
    assert len(depot.rows()) == (0 if is_empty else 1)
    states = depot.rows("SELECT state, read, quarantined FROM groundwork_flow.load ORDER BY load_id DESC LIMIT 1")
    assert states == [("stopped", 100, 3)]
    evidence = depot.rows("SELECT position, state, raw FROM groundwork_flow.quarantine ORDER BY position")
    assert [row[:2] for row in evidence] == [(98, "evidence"), (99, "evidence"), (100, "evidence")]
    assert evidence[0][2] == {"item_id": "a", "price": "1"}
    assert depot.leftovers() == []
    result = depot.load("item_id,price", *GOOD, "98,1", "b,1", "c,1")
    assert (result.read, result.quarantined) == (100, 2)


@pytest.mark.parametrize("bound", ["many", -1, "101 %", True, 1.5])
def test_a_bound_that_is_none_is_refused(database: Database, tmp_path: Path, bound: object) -> None:
    depot = _depot(database, tmp_path, stop_above=bound)
    with pytest.raises(ConfigError, match=r"source\.quarantine\.stop_above"):
        depot.load("item_id,price", "1,1")
