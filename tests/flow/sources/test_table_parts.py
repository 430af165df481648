"""A table that changes between the readings of a load: parts stay as planned, and no row is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.loads.parallel import PartedLoad
from groundwork.flow.record import Batch, Mark
from groundwork.flow.resources import Resources
from groundwork.flow.sources.parts import named_part
from groundwork.flow.sources.table import TableSource
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_postgres import Database
from tests.flow.depot import Depot, make_depot
from tests.flow.sources.reading import column, read
from tests.flow.sources.test_table import SERVERS, Place, _facts, place

__all__ = ["place"]
pytestmark = pytest.mark.postgres
COLUMNS = [column("id", "bigint", key=1), column("name", "text"), column("changed_at", "timestamptz")]
SOURCE = {"kind": "table", "connection": "shop", "table": "public.sold"}
FRESH = {**SOURCE, "watermark": {"column": "changed_at", "overlap": "0 seconds"}}
COUNT = 6_000


class Shop:
    """The table `public.sold`, which the table `depot.items` is loaded from."""

    def __init__(self, database: Database, folder: Path, source: dict[str, Any]) -> None:
        self.depot: Depot = make_depot(database.engine, folder, COLUMNS, source=source)
        self.resources = Resources(project=folder, connection={"shop": _facts(database)}.__getitem__)
        self.run(
            "CREATE TABLE sold (id bigint PRIMARY KEY, name text, changed_at timestamptz DEFAULT clock_timestamp())",
            f"INSERT INTO sold SELECT n, 'n' || n, TIMESTAMPTZ '2024-01-01' + n * INTERVAL '1 s' "
            f"FROM generate_series(1, {COUNT}) AS n",
        )

    def run(self, *written: str) -> None:
        """Run statements, each committed."""
        for statement in written:
            self.depot.run(statement)

    def load(self, **options: Any) -> Any:
        """Load everything that is asked for."""
        return self.depot.load(resources=self.resources, **options)

    def parted(self) -> PartedLoad:
        """The load in four parts."""
        return PartedLoad(
            engine=self.depot.engine,
            domain=self.depot.domain,
            table=self.depot.table,
            project=self.depot.folder,
            run_id="test",
            wanted=4,
            resources=self.resources,
        )

    def differing(self) -> list[Any]:
        """Rows that only one of the two tables has."""
        query = "(SELECT id, name, changed_at FROM {0} EXCEPT SELECT id, name, changed_at FROM {1})"
        here, there = "depot.items", "public.sold"
        return list(self.depot.rows(f"{query.format(here, there)} UNION ALL {query.format(there, here)} ORDER BY 1"))


def _grow(shop: Shop) -> None:
    """Rows before, between and far behind the others, new values, and one row less."""
    shop.run(
        f"UPDATE sold SET name = 'new', changed_at = clock_timestamp() WHERE id IN (5, {COUNT // 2}, {COUNT - 1})",
        "DELETE FROM sold WHERE id = 77",
        "INSERT INTO sold SELECT n, 'late' FROM generate_series(-3000, 0) AS n",
        f"INSERT INTO sold SELECT n * 10, 'late' FROM generate_series({COUNT}, {COUNT} + 3000) AS n",
    )


def test_parts_stay_as_planned_when_the_table_grows_and_the_next_load_brings_the_rest(
    database: Database, tmp_path: Path
) -> None:
    shop = Shop(database, tmp_path, FRESH)
    parts = shop.parted().plan()
    assert len(parts) == 3
    assert shop.parted().stage(parts[1]).read > 0
    _grow(shop)
    for part in (parts[0], parts[2]):
        shop.parted().stage(part)
    result = shop.parted().publish()
    changed, gone = 2, 1  # of the two parts that were read afterwards; the third had its rows before
    assert (result.read, result.loaded, result.quarantined) == (COUNT - changed - gone, COUNT - changed - gone, 0)
    assert result.is_balanced
    rest = shop.load()
    assert (rest.loaded, rest.updated) == (6_002 + changed, 1)
    assert shop.differing() == []
    assert shop.depot.leftovers() == []


def test_without_a_watermark_rows_that_come_later_belong_to_the_outer_parts(database: Database, tmp_path: Path) -> None:
    shop = Shop(database, tmp_path, SOURCE)
    parts = shop.parted().plan()
    _grow(shop)
    for part in parts:
        shop.parted().stage(part)
    assert shop.parted().publish().loaded == COUNT - 1 + 6_002
    assert shop.differing() == []


def test_a_part_that_nobody_planned_is_refused(database: Database, tmp_path: Path) -> None:
    shop = Shop(database, tmp_path, FRESH)
    parts = shop.parted().plan()
    for wrong in ("shop:public.sold", 'shop:public.sold {"first_key": 7}', "shop:public.sold {", "other"):
        with pytest.raises(ConfigError, match="no such part") as caught:
            shop.parted().stage(wrong)
        assert parts[0] in str(caught.value.expected)


def _breaking(after: int, meanwhile: Callable[[], None]) -> Callable[..., Iterator[Batch]]:
    """Batches that end in a lost connection."""
    whole = TableSource.batches

    def batches(self: TableSource, mark: Mark | None = None) -> Iterator[Batch]:
        for number, batch in enumerate(whole(self, mark)):
            if number == after:
                meanwhile()
                raise RetriableError("lost", where="here")
            yield batch

    return batches


def test_a_load_that_was_killed_goes_on_and_leaves_later_changes_to_the_next(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(database, tmp_path, FRESH)
    shop.run("INSERT INTO depot.items VALUES (-1, 'a row of its own', '2020-01-01')")
    with monkeypatch.context() as patch:
        patch.setattr(TableSource, "batches", _breaking(4, lambda: _grow(shop)))
        with pytest.raises(RetriableError, match="lost"):
            shop.load(batch_rows=1_000)
    marks = []
    whole = TableSource.batches
    monkeypatch.setattr(TableSource, "batches", lambda self, mark=None: marks.append(mark) or whole(self, mark))
    result = shop.load(batch_rows=1_000)
    assert [mark["key"] for mark in marks] == [[["int", "4000"]]]
    changed = 1  # the last of the three; the others lie below the mark, and were read as they were
    assert (result.read, result.loaded) == (COUNT - changed, COUNT - changed)
    rest = shop.load(batch_rows=1_000)
    assert (rest.updated, rest.loaded) == (2 + 1, 6_002 - 1 + changed)  # the row of its own is one of the late ones
    shop.run("DELETE FROM depot.items WHERE id = 77")
    assert shop.differing() == []


@pytest.mark.parametrize(
    "source",
    [SOURCE, {**FRESH, "mode": "replace"}, {**FRESH, "key": []}],
    ids=["no watermark", "replaced as a whole", "no key"],
)
def test_where_a_row_could_be_lost_a_killed_load_begins_anew(
    database: Database, tmp_path: Path, source: dict[str, Any]
) -> None:
    from groundwork.flow.source import open_source

    shop = Shop(database, tmp_path, source)
    depot = shop.depot
    opened = open_source(depot.engine, depot.domain, depot.table, project=tmp_path, resources=shop.resources)
    assert opened.fingerprint is None


@pytest.mark.parametrize("place", SERVERS, indirect=True)
def test_a_reading_that_goes_on_reads_no_row_that_changed_since(place: Place, tmp_path: Path) -> None:
    declared = {"watermark": {"column": "changed_at"}}
    source = place.source(tmp_path, batch_rows=900, **declared)
    assert source.fingerprint == place.source(tmp_path, **declared).fingerprint is not None
    batches = source.batches()
    first = next(batches)
    batches.close()  # type: ignore[attr-defined]  # all of ours are generators
    whole = read(source)
    place.run("UPDATE items SET changed_at = '2024-02-01 00:00:00' WHERE id IN (3, 6000)")
    place.run("INSERT INTO items (id, changed_at) VALUES (4, '2024-02-01 00:00:00'), (9000001, '2024-02-02 00:00:00')")
    again = place.source(tmp_path, batch_rows=900, **declared)
    rest = [each.values[0] for batch in again.batches(first.mark) for each in batch.records(1)]
    assert rest == [values[0] for values, _ in whole[900:] if values[0] != "6000"]
    part = named_part(again, 4, source.parts(4)[-1].description)
    assert part is not None
    assert part.description == source.parts(4)[-1].description
