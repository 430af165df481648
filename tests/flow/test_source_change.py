"""A source that comes in another form than its contract declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot

pytestmark = pytest.mark.postgres

COLUMNS = [column("item_id", "bigint", key=1), column("name", "text")]
CHANGES = "SELECT policy, added, missing, outcome FROM groundwork_flow.source_change ORDER BY 1"


def _depot(database: Database, folder: Path, policy: str) -> Depot:
    return make_depot(database.engine, folder, COLUMNS, source={"on_schema_change": policy})


def test_frozen_a_new_field_stops_the_load_and_is_recorded(database: Database, tmp_path: Path) -> None:
    depot = _depot(database, tmp_path, "freeze")
    with pytest.raises(ConfigError, match="the header of the source does not fit the contract"):
        depot.load("item_id,name,colour", "1,a,red")
    ((policy, added, missing, outcome),) = depot.rows(CHANGES)
    assert (policy, missing, outcome) == ("freeze", [], "refused")
    assert "header" in added[0]["reason"]
    assert depot.rows() == []


def test_quarantined_are_records_with_a_value_in_a_new_field(database: Database, tmp_path: Path) -> None:
    depot = _depot(database, tmp_path, "quarantine")
    result = depot.load("item_id,name,colour", "1,a,", "2,b,red", "3,c,")
    assert (result.loaded, result.quarantined, result.reasons) == (2, 1, {"unknown_field": 1})
    raw = depot.rows("SELECT raw FROM groundwork_flow.quarantine")
    assert raw == [({"item_id": "2", "name": "b", "colour": "red"},)]
    assert depot.rows(CHANGES) == [("quarantine", [{"name": "colour", "type": None}], [], "quarantined")]


def test_a_source_as_declared_is_no_event(database: Database, tmp_path: Path) -> None:
    depot = _depot(database, tmp_path, "quarantine")
    assert depot.load("item_id,name", "1,a").loaded == 1
    assert depot.rows(CHANGES) == []


MAPPED = {"on_schema_change": "evolve", "columns": {"item_id": "id", "name": "name"}, "ignore": ["note"]}


def test_what_still_is_strange_with_evolve_is_quarantined(database: Database, tmp_path: Path) -> None:
    depot = _depot(database, tmp_path, "evolve")
    result = depot.load("item_id,name,colour", "1,a,", "2,b,red")
    assert (result.loaded, result.reasons) == (1, {"unknown_field": 1})
    assert depot.rows(CHANGES) == [("evolve", [{"name": "colour", "type": None}], [], "quarantined")]


def test_with_evolve_fields_that_nobody_mapped_are_strange_too_but_for_ignored_ones(
    database: Database, tmp_path: Path
) -> None:
    depot = make_depot(database.engine, tmp_path, COLUMNS, source=MAPPED)
    assert depot.load("id,name,note", "1,a,x").quarantined == 0
    assert depot.rows(CHANGES) == []
    assert depot.load("id,name,note,colour", "2,b,x,red").reasons == {"unknown_field": 1}
    assert depot.rows(CHANGES) == [("evolve", [{"name": "colour", "type": None}], [], "quarantined")]


def test_a_field_that_could_not_be_seen_in_a_record_is_refused(database: Database, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    declared = {"on_schema_change": "evolve", "path": "items.parquet", "format": "parquet"}
    depot = make_depot(database.engine, tmp_path, COLUMNS, source=declared)
    parquet.write_table(pa.table({"item_id": [1], "name": ["a"], "colour": ["red"]}), tmp_path / "items.parquet")
    with pytest.raises(ConfigError, match="does not follow yet"):
        depot.load()
    assert depot.rows(CHANGES) == [("evolve", [{"name": "colour", "type": "text"}], [], "refused")]
    assert depot.rows() == []
