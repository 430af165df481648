"""A load that died goes on where it stopped, unless something it relies on has changed meanwhile."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from groundwork.flow.loads import direct
from groundwork.flow.loads.load import load_table
from groundwork.flow.record import Batch, Mark, Source
from groundwork.flow.resources import Resources
from groundwork.flow.source import open_source
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_postgres import Database
from tests.flow.depot import FILE, Depot, column, make_depot

pytestmark = pytest.mark.postgres

HEADER = "item_id,name"
LINES = [f"{number},name {number}" for number in range(1, 1001)]
COLUMNS = [column("item_id", "bigint", key=1), column("name", "text", required=True)]


class Dying:
    """A source that loses its connection after some batches, and counts those that were read."""

    def __init__(self, source: Source, after_batches: int | None) -> None:
        self._source = source
        self._left = after_batches
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """Batches until the source is lost."""
        for batch in self._source.batches(after):
            if self._left is not None and self.read >= self._left:
                raise RetriableError("the source was lost", where="here", next_step="run it again")
            self.read += 1
            yield batch


@pytest.fixture
def depot(database: Database, tmp_path: Path) -> Depot:
    found = make_depot(database.engine, tmp_path, COLUMNS, source={"mode": "merge"})
    found.run("INSERT INTO depot.items VALUES (0, 'already there')")  # so that rows wait before they are published
    found.write(HEADER, *LINES[:500], "x,no number", *LINES[500:])
    return found


def _source(depot: Depot, after_batches: int | None) -> Dying:
    opened = open_source(
        depot.engine,
        depot.domain,
        depot.table,
        project=depot.folder,
        batch_rows=50,
        resources=Resources(project=depot.folder),
    )
    return Dying(opened, after_batches)


def _die(depot: Depot, after_batches: int) -> None:
    with pytest.raises(RetriableError):
        depot.load(source_override=_source(depot, after_batches))


def _batches(depot: Depot) -> int:
    source = _source(depot, None)
    return sum(1 for _ in source.batches())


def test_the_next_try_reads_only_what_is_missing(depot: Depot) -> None:
    total = _batches(depot)
    _die(depot, after_batches=total - 2)
    assert len(depot.rows()) == 1  # nothing is visible
    again = _source(depot, None)
    result = depot.load(source_override=again)
    assert again.read == 2
    assert (result.read, result.loaded, result.quarantined) == (1001, 1000, 1)
    assert depot.rows("SELECT count(*), sum(item_id) FROM depot.items") == [(1001, 500_500)]
    assert depot.rows("SELECT position FROM groundwork_flow.quarantine") == [(501,)]
    assert depot.leftovers() == []


def test_a_source_that_turns_out_to_be_large_goes_the_way_that_can_be_taken_up(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = depot.folder / FILE
    packed = plain.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    source = {**(depot.table.source or {}), "path": packed.name}

    def load(**options: Any) -> Any:
        table = replace(depot.table, source=source)
        return load_table(depot.engine, depot.domain, table, project=depot.folder, run_id="test", **options)

    depot.run("TRUNCATE depot.items")
    assert load(batch_rows=50).is_direct
    depot.run("TRUNCATE depot.items")
    monkeypatch.setattr(direct, "RESUMABLE_BYTES", 5_000)
    result = load(batch_rows=50)
    assert (result.is_direct, result.read, result.loaded, result.quarantined) == (False, 1001, 1000, 1)
    assert depot.rows("SELECT count(*) FROM groundwork_flow.load WHERE state = 'running'") == [(0,)]


def test_what_was_begun_the_long_way_is_not_begun_anew_the_short_way(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    depot.run("TRUNCATE depot.items")
    with monkeypatch.context() as patched:
        patched.setattr(direct, "RESUMABLE_BYTES", 0)
        _die(depot, after_batches=_batches(depot) - 2)
    again = _source(depot, None)
    result = depot.load(source_override=again)
    assert (again.read, result.is_direct, result.loaded) == (2, False, 1000)


def test_a_file_that_changed_is_read_from_its_beginning(depot: Depot) -> None:
    _die(depot, after_batches=3)
    path = depot.write(HEADER, *LINES)
    os.utime(path, ns=(1, 1))
    again = _source(depot, None)
    result = depot.load(source_override=again)
    assert again.read == _batches(depot)
    assert (result.read, result.loaded, result.quarantined) == (1000, 1000, 0)


def test_a_contract_that_changed_begins_anew(depot: Depot) -> None:
    _die(depot, after_batches=3)
    stricter = replace(depot.table, source={**(depot.table.source or {}), "mode": "append"})
    domain = replace(depot.domain, contracts=tuple(depot.domain.contracts))
    again = _source(depot, None)
    result = load_table(depot.engine, domain, stricter, project=depot.folder, run_id="test", source_override=again)
    assert again.read == _batches(depot)
    assert (result.mode, result.loaded) == ("append", 1000)


def test_a_source_that_vanished_is_told_and_leaves_the_table(depot: Depot) -> None:
    _die(depot, after_batches=3)
    (depot.folder / FILE).unlink()
    with pytest.raises(ConfigError, match=FILE):
        depot.load()
    assert len(depot.rows()) == 1


def test_a_crash_of_the_server_loses_no_batch_that_was_written_down(depot: Depot, database: Database) -> None:
    _die(depot, after_batches=3)
    depot.engine.dispose()
    database.server.stop("immediate")
    database.server.start()
    ((kept,),) = depot.rows("SELECT read FROM groundwork_flow.staged")
    assert kept > 0
    again = _source(depot, None)
    result = depot.load(source_override=again)
    assert again.read < _batches(depot)
    assert (result.read, result.loaded, result.quarantined) == (1001, 1000, 1)
    assert depot.leftovers() == []
