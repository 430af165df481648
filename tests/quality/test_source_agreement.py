"""A table against what its last load was asked for: ranges, other databases, and what cannot be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from groundwork.flow.loads.parallel import PartedLoad
from groundwork.flow.quarantine.replay import replay_quarantine
from groundwork.flow.quarantine.replay_source import Corrections
from groundwork.flow.resources import ConnectionFacts, Resources
from groundwork.flow.window import Window
from groundwork.model.checks import CheckResult
from groundwork.quality.source_agreement import source_agreement
from tests.fix_postgres import Database
from tests.flow.depot import Depot, column, make_depot
from tests.flow.sources.test_loads import Loading

pytestmark = pytest.mark.postgres
COLUMNS = (column("id", "bigint", key=1), column("at", "timestamp with time zone"), column("price", "numeric"))
HEADER = "id,at,price"
LINES = (
    HEADER,
    "1,2026-01-01T23:30:00,1",
    "2,2026-01-02T00:00:00Z,2",
    "3,2026-01-02T01:30:00+02:00,3",  # it is still the first of January in UTC
    "4,never,4",
    "5,,5",
    "6,2026-01-03T00:00:00Z,6",
    "7,2026-01-02 12:00:00+00,seven",
)
DAY = Window(start="2026-01-02T00:00:00+00:00", end="2026-01-03T00:00:00+00:00")


@pytest.fixture
def depot(database: Database, tmp_path: Path) -> Depot:
    return make_depot(database.engine, tmp_path, COLUMNS, source={"mode": "merge", "watermark": {"column": "at"}})


def agreement(depot: Depot, **options: Any) -> CheckResult | None:
    return source_agreement(depot.engine, depot.domain, depot.table, depot.folder, **options)


def told(found: CheckResult | None) -> tuple[bool, int | None, int | None] | None:
    return None if found is None else (found.passed, found.failing_count, found.row_count)


def test_only_the_range_of_the_last_load_is_compared(depot: Depot) -> None:
    result = depot.load(*LINES, window=DAY)
    assert (result.read, result.loaded, result.quarantined) == (4, 2, 2)
    assert told(agreement(depot)) == (True, 0, 2)
    depot.run("UPDATE depot.items SET price = 9 WHERE id = 5")  # a value without time lies in every range
    assert told(agreement(depot)) == (False, 1, 2)
    depot.run("DELETE FROM depot.items WHERE id = 2")
    assert told(agreement(depot)) == (False, 2, 2)
    depot.load()
    assert told(agreement(depot)) == (True, 0, 5)


def test_a_replay_is_not_the_load_that_is_compared(depot: Depot) -> None:
    depot.load(*LINES)
    replay_quarantine(
        depot.engine, depot.domain, depot.table, project=depot.folder, corrections=Corrections(for_all={"price": "8"})
    )
    assert told(agreement(depot)) == (True, 0, 5)


def test_a_load_too_large_or_of_unknown_places_is_not_measured(depot: Depot) -> None:
    depot.load(*LINES)
    assert agreement(depot, most_records=6) is None
    assert told(agreement(depot, most_records=7)) == (True, 0, 5)
    depot.write(HEADER, *(f"{number},2026-01-01,{number if number else 'none'}" for number in range(2_000)))
    load = PartedLoad(
        engine=depot.engine,
        domain=depot.domain,
        table=depot.table,
        project=depot.folder,
        run_id="cut",
        wanted=2,
        batch_rows=100,
    )
    parts = load.plan()
    assert len(parts) == 2
    for part in parts:
        load.stage(part)
    assert load.publish().quarantined == 1
    assert agreement(depot) is None
    depot.write(HEADER, *(f"{number},2026-01-01,7" for number in range(2_000)))
    for part in load.cut():
        load.load(part)
    assert agreement(depot) is None  # the last load was one of a part
    depot.load()
    assert told(agreement(depot)) == (True, 0, 2_000)


def test_a_file_in_object_storage_is_reached_by_the_resources(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "bucket" / "items.csv"
    place.parent.mkdir()
    place.write_text("\n".join(LINES) + "\n")
    source = {"path": f"file://{place}", "connection": "store", "mode": "merge", "watermark": {"column": "at"}}
    depot = make_depot(database.engine, tmp_path, COLUMNS, source=source)
    asked: list[str | None] = []

    def storage(path: str, connection: str | None) -> UPath:
        asked.append(connection)
        return UPath(path)

    resources = Resources(project=tmp_path, storage=storage)
    assert depot.load(resources=resources).loaded == 5
    assert agreement(depot) is None
    assert told(agreement(depot, resources=resources)) == (True, 0, 5)
    assert set(asked) == {"store"}
    depot.run("DELETE FROM depot.items WHERE id = 1")
    assert told(agreement(depot, resources=resources)) == (False, 1, 5)


class Elsewhere:
    """A table that is kept from one in another database, and how that is reached."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        url = database.engine.url
        self.facts = ConnectionFacts(
            name="shop", kind="postgres", host=url.host, port=url.port, login=url.username, password=url.password,
            database=url.database,
        )  # fmt: skip
        self.resources = Resources(project=folder, connection={"shop": self.facts}.__getitem__)
        self.run("CREATE TABLE sold (id bigint PRIMARY KEY, name text, price numeric, day date)")
        self.run(
            "INSERT INTO sold SELECT n, 'n' || n, n / 4.0, DATE '2024-01-01' + n / 10 FROM generate_series(0, 99) AS n"
        )
        source = {"kind": "table", "connection": "shop", "table": "public.sold", "watermark": {"column": "day"}}
        self.loading = Loading(database, folder, source)

    def run(self, statement: str) -> None:
        """Run one statement and commit it."""
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def agreement(self, resources: Resources | None) -> CheckResult | None:
        """The check on the table."""
        domain, folder = self.loading.domain, self.loading.folder
        return source_agreement(self.database.engine, domain, domain.table("items"), folder, resources=resources)


def test_another_database_is_reached_by_the_resources_and_asked_for_the_last_load(
    database: Database, tmp_path: Path
) -> None:
    other = Elsewhere(database, tmp_path)
    assert other.agreement(None) is None
    assert other.loading.load(other.facts, window=Window(start="2024-01-03", end="2024-01-05")).read == 20
    assert told(other.agreement(other.resources)) == (True, 0, 20)
    assert other.loading.load(other.facts).read == 70  # from the watermark on
    assert told(other.agreement(other.resources)) == (True, 0, 70)
    other.run("DELETE FROM depot.items WHERE id = 97")
    assert told(other.agreement(other.resources)) == (False, 1, 70)
    other.run("DELETE FROM depot.items WHERE id = 21")  # not of the last load
    assert told(other.agreement(other.resources)) == (False, 1, 70)


def test_a_table_that_changed_since_it_was_loaded_is_not_compared(database: Database, tmp_path: Path) -> None:
    other = Elsewhere(database, tmp_path)
    other.loading.load(other.facts)
    other.run("UPDATE sold SET price = 0 WHERE id = 99")
    assert other.agreement(other.resources) is None
    other.loading.load(other.facts)
    assert told(other.agreement(other.resources)) == (True, 0, 10)
