"""Loads beside other work on the same table: migrations, other loads, and ledgers of an older form."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from groundwork.flow import ledger
from groundwork.flow.record import Batch, Mark, Source
from groundwork.flow.source import file_source
from groundwork.flow.sources.origin import Origin
from groundwork.model.errors import ConfigError
from tests.fix_postgres import Database
from tests.flow.depot import FILE, Depot, column, make_depot
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres

COLUMNS = [column("item_id", "bigint", key=1), column("name", "text", required=True)]
LINES = [f"{number},name {number}" for number in range(1, 501)]


class Meanwhile:
    """A source that calls `act` in the middle."""

    def __init__(self, source: Source, act: Callable[[], None]) -> None:
        self._source = source
        self._act = act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All batches; something happens before the third."""
        for number, batch in enumerate(self._source.batches(after)):
            if number == 2:
                self._act()
            yield batch


@pytest.fixture
def depot(database: Database, tmp_path: Path) -> Depot:
    made = make_depot(database.engine, tmp_path, COLUMNS, source={"mode": "merge"})
    made.run("INSERT INTO depot.items VALUES (1, 'old'), (9999, 'stays')")
    made.write("item_id,name", *LINES)
    return made


def _meanwhile(depot: Depot, act: Callable[[], None]) -> Meanwhile:
    source = file_source(depot.table, Origin(project=depot.folder, path=FILE), batch_rows=20)
    return Meanwhile(source, act)


def test_a_migration_that_commits_during_a_load_does_not_disturb_it(depot: Depot) -> None:
    def migrate() -> None:
        depot.run("ALTER TABLE depot.items ADD COLUMN note text, ALTER COLUMN name TYPE varchar(80)")

    result = depot.load(source_override=_meanwhile(depot, migrate))
    assert (result.loaded, result.updated) == (499, 1)
    assert depot.rows("SELECT count(*), count(note) FROM depot.items") == [(501, 0)]


def test_a_migration_that_takes_a_column_away_ends_the_load_with_a_word(depot: Depot) -> None:
    def migrate() -> None:
        depot.run("ALTER TABLE depot.items DROP COLUMN name")

    with pytest.raises(ConfigError, match="a column is not there"):
        depot.load(source_override=_meanwhile(depot, migrate))
    assert depot.rows("SELECT item_id FROM depot.items ORDER BY 1") == [(1,), (9999,)]


def test_a_migration_that_holds_the_table_is_waited_for(depot: Depot) -> None:
    done: list[str] = []
    holder = depot.engine.connect()
    transaction = holder.begin()
    holder.execute(text("LOCK TABLE depot.items IN ACCESS EXCLUSIVE MODE"))

    def release() -> None:
        done.append("migrated")
        transaction.commit()

    timer = threading.Timer(1.0, release)
    timer.start()
    try:
        result = depot.load()
    finally:
        timer.join()
        holder.close()
    assert done == ["migrated"]
    assert result.read == 500


def test_two_loads_with_different_sources_end_one_after_the_other(depot: Depot) -> None:
    other = depot.folder / "other.csv"
    other.write_text("item_id,name\n" + "".join(f"{number},other\n" for number in range(400, 800)), encoding="utf-8")
    started = threading.Event()
    results: list[Any] = []

    def load_other() -> None:
        started.set()
        source = file_source(depot.table, Origin(project=depot.folder, path="other.csv"))
        results.append(depot.load(source_override=source))

    thread = threading.Thread(target=load_other)

    def begin() -> None:
        thread.start()
        assert started.wait(PATIENCE_SECONDS)

    first = depot.load(source_override=_meanwhile(depot, begin))
    thread.join(PATIENCE_SECONDS)
    (second,) = results
    assert first.is_balanced
    assert second.is_balanced
    assert (second.loaded, second.updated) == (299, 101)
    assert depot.rows("SELECT count(*), count(*) FILTER (WHERE name = 'other') FROM depot.items") == [(800, 400)]
    assert depot.leftovers() == []


def test_a_ledger_of_an_older_form_is_brought_up_to_date(depot: Depot) -> None:
    depot.load()
    depot.run(
        "ALTER TABLE groundwork_flow.quarantine DROP COLUMN state, DROP COLUMN settled_by_load_id; "
        "ALTER TABLE groundwork_flow.load DROP COLUMN removed, DROP COLUMN window_start, DROP COLUMN window_end; "
        "ALTER TABLE groundwork_flow.load DROP CONSTRAINT ck_load_state; "
        "ALTER TABLE groundwork_flow.load ADD CONSTRAINT ck_load_state CHECK (state IN ('running', 'finished'))"
    )
    assert depot.load().unchanged == 500
    with depot.engine.begin() as connection:
        assert not ledger.missing_columns(connection, ledger.LEDGER)
    rows = depot.rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_load_state'")
    assert "stopped" in rows[0][0]
    assert depot.rows("SELECT count(*) FROM groundwork_flow.load") == [(2,)]
