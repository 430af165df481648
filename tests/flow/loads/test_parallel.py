"""One load in parts: together they are visible at once, each by itself as soon as it is done."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.loads.parallel import PartedLoad
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres

COLUMNS = [column("item_id", "bigint", key=1), column("name", "text", required=True)]
LINES = [f"{number},name {number}" for number in range(1, 3001)]


@pytest.fixture
def depot(database: Database, tmp_path: Path) -> Depot:
    found = make_depot(database.engine, tmp_path, COLUMNS, source={"mode": "merge"})
    found.write("item_id,name", *LINES, "x,broken", "1,name 1")
    return found


def _parted(depot: Depot, **facts: Any) -> PartedLoad:
    given = {"project": depot.folder, "run_id": "test", "wanted": 3, "batch_rows": 100, **facts}
    return PartedLoad(engine=depot.engine, domain=depot.domain, table=depot.table, **given)


def test_parts_fill_side_by_side_and_are_published_at_once(depot: Depot) -> None:
    load = _parted(depot)
    parts = load.plan()
    assert len(parts) == 3
    threads = [threading.Thread(target=load.stage, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert depot.rows() == []  # nothing is visible yet
    result = load.publish()
    assert (result.read, result.loaded, result.quarantined, result.duplicates) == (3002, 3000, 1, 1)
    assert result.is_balanced
    ((source, raw),) = depot.rows("SELECT source, raw FROM groundwork_flow.quarantine")
    assert source == parts[-1]
    assert raw == {"item_id": "x", "name": "broken"}
    assert depot.rows("SELECT count(*), sum(item_id) FROM depot.items") == [(3000, 3000 * 3001 // 2)]
    assert depot.leftovers() == []


def test_a_part_that_is_missing_stops_the_publication(depot: Depot) -> None:
    load = _parted(depot)
    parts = load.plan()
    load.stage(parts[0])
    with pytest.raises(ConfigError, match="not all parts of the load are there") as caught:
        load.publish()
    assert parts[1] in str(caught.value)
    assert load.plan() == parts  # planned again, what is done is kept
    for part in parts[1:]:
        load.stage(part)
    load.stage(parts[0])  # a task that runs twice changes nothing
    assert load.publish().read == 3002


def test_each_part_may_be_a_load_of_its_own(depot: Depot) -> None:
    load = _parted(depot)
    results = [load.load(part) for part in load.plan()]
    assert sum(result.read for result in results) == 3002
    assert sum(result.loaded for result in results) == 3000
    assert sum(result.quarantined for result in results) == 1
    assert depot.rows("SELECT count(*) FROM groundwork_flow.load") == [(3,)]
    again = [load.load(part) for part in load.plan()]
    assert sum(result.loaded for result in again) == 0


def test_parts_of_another_plan_are_refused(depot: Depot) -> None:
    load = _parted(depot)
    load.plan()
    with pytest.raises(ConfigError, match="the load has no such part"):
        load.stage("nowhere")
    with pytest.raises(ConfigError, match="the load has no such part"):
        load.load("nowhere")
    changed = replace(depot.table, source={**(depot.table.source or {}), "mode": "append"})
    other = PartedLoad(
        engine=depot.engine,
        domain=depot.domain,
        table=changed,
        project=depot.folder,
        run_id="test",
        wanted=2,
        batch_rows=100,
    )
    assert len(other.plan()) == 2
