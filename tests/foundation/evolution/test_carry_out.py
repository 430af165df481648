"""Contract and database never disagree: after a kill, a failure, a contract that may not be written, two at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.change.apply import Limits, apply_migration
from groundwork.foundation.evolution import carry_out
from groundwork.foundation.evolution.change import Followed
from groundwork.governance.access import apply_access
from groundwork.model.errors import ConfigError, GroundworkError, RetriableError
from tests.fix_market import PROJECT
from tests.fix_postgres import Database
from tests.foundation.evolution.yard import Yard, make_yard
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres

LINES = ("item_id,name,colour", "1,a,red")
WORKER = Path(__file__).with_name("killed_worker.py")


@pytest.fixture
def yard(database: Database, tmp_path: Path) -> Yard:
    """A yard whose source has just got a new field."""
    found = make_yard(database.engine, tmp_path)
    found.follow_and_load("item_id,name", "1,a")
    found.write(*LINES)
    return found


def _agree(yard: Yard) -> bool:
    return list(yard.types()) == list(yard.declared()) == ["item_id", "name", "colour"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("step", ["apply_migration", "put", "keep_contracts", "settle_change"])
def test_a_kill_on_the_way_is_taken_up(yard: Yard, database: Database, step: str) -> None:
    command = [sys.executable, str(WORKER), database.url, str(yard.folder), step]
    done = subprocess.run(command, cwd=PROJECT, env={"PYTHONPATH": f"{PROJECT}:{PROJECT}/plugins"}, check=False)
    assert done.returncode == -9
    is_migrated = step != "apply_migration"
    assert ("colour" in yard.types()) is is_migrated
    assert ("colour" in yard.declared()) is (step in ("keep_contracts", "settle_change"))
    assert [event["outcome"] for event in yard.events()] == ["evolving"]
    yard.write("item_id,name", "2,b")  # the field is gone again, and still it is taken up
    (followed,) = yard.follow()
    assert str(followed.evolution) == "new column colour text"
    assert _agree(yard)
    assert [event["outcome"] for event in yard.events()] == ["evolved"]
    assert yard.rows("SELECT version FROM groundwork.contract_version") == [("1.5.0",)]
    assert yard.load().loaded == 1
    assert yard.follow() == ()


def test_a_kill_between_database_and_file_is_taken_up(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(carry_out, "put", die)
        with pytest.raises(KeyboardInterrupt):
            yard.follow()
    assert "colour" in yard.types()
    assert "colour" not in yard.declared()
    assert yard.load().quarantined == 1  # whoever does not follow loses nothing either
    yard.follow()
    assert _agree(yard)
    assert next((event["outcome"], event["to_version"]) for event in yard.events()) == ("evolved", "1.5.0")


def test_a_migration_that_gets_no_lock_leaves_all_as_it_was(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (yard.contract_file.read_bytes(), yard.types())
    hasty = partial(apply_migration, limits=Limits(lock_timeout_seconds=0.1, lock_attempts=1))
    with monkeypatch.context() as patched, yard.engine.connect() as reader, reader.begin():
        patched.setattr(carry_out, "apply_migration", hasty)
        reader.execute(text("SELECT * FROM yard.items"))
        with pytest.raises(RetriableError):
            yard.follow()
    assert (yard.contract_file.read_bytes(), yard.types()) == before
    assert [event["outcome"] for event in yard.events()] == ["refused"]
    yard.follow()
    assert _agree(yard)


def test_a_stage_that_was_done_before_another_failed_is_undone(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (yard.contract_file.read_bytes(), yard.types())
    yard.write("item_id,name,colour,pieces", "1,a,red,5")
    statements: list[str] = []

    def stop(_: object, statement: str) -> None:
        statements.append(statement)
        if len(statements) > 1 and "ADD COLUMN" in statement:
            raise RetriableError("the server went away")

    monkeypatch.setattr(carry_out, "apply_migration", partial(apply_migration, observer=stop))
    with pytest.raises(RetriableError, match="went away"):
        yard.follow()
    assert (yard.contract_file.read_bytes(), yard.types()) == before
    assert yard.rows("SELECT state FROM groundwork.migration") == [("rolled back",)]
    monkeypatch.undo()
    yard.follow()
    assert list(yard.types()) == list(yard.declared()) == ["item_id", "name", "colour", "pieces"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_contract_that_nobody_may_write_is_refused(yard: Yard, what: str) -> None:
    place = yard.contract_file if what == "file" else yard.contract_file.parent
    mode, types = place.stat().st_mode, yard.types()
    place.chmod(0o555 if what == "folder" else 0o444)
    try:
        with pytest.raises(ConfigError, match="cannot be written") as caught:
            yard.follow()
    finally:
        place.chmod(mode)
    assert "quarantine" in str(caught.value.next_step)
    assert yard.types() == types
    assert [(event["outcome"], [each["name"] for each in event["added"]]) for event in yard.events()] == [
        ("refused", ["colour"])
    ]


def test_a_contract_from_another_place_is_refused(yard: Yard, tmp_path: Path) -> None:
    elsewhere = tmp_path / "shared.yaml"
    elsewhere.write_bytes(yard.contract_file.read_bytes())
    yard.contract_file.unlink()
    yard.contract_file.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="comes from another place"):
        yard.follow()
    assert "colour" not in yard.types()


def test_a_table_that_is_not_there_is_told(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, with_database=False)
    yard.write(*LINES)
    with pytest.raises(ConfigError, match="not in the database as its contract declares it"):
        yard.follow()
    assert "colour" not in yard.declared()


def test_a_version_that_says_no_step_is_refused(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, version="2024-Q1")
    yard.write(*LINES)
    with pytest.raises(ConfigError, match="version cannot be raised"):
        yard.follow()
    assert "colour" not in yard.types()


def test_a_contract_that_was_changed_meanwhile_is_not_overwritten(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*given: object, **more: object) -> object:
        outcome = apply_migration(*given, **more)  # type: ignore[arg-type]
        mine = yard.contract_file.read_text(encoding="utf-8").replace("What lies in the yard.", "What a person says.")
        yard.contract_file.write_text(mine, encoding="utf-8")
        return outcome

    monkeypatch.setattr(carry_out, "apply_migration", meanwhile)
    with pytest.raises(RetriableError, match="somebody changed the contract"):
        yard.follow()
    monkeypatch.undo()
    yard.follow()
    assert _agree(yard)
    assert yard.table.description == "What a person says."


def test_two_that_see_the_same_news_make_one_column(yard: Yard) -> None:
    done: list[tuple[Followed, ...]] = []
    errors: list[GroundworkError] = []

    def run() -> None:
        try:
            done.append(yard.follow())
        except GroundworkError as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert errors == []
    assert sorted(len(each) for each in done) == [0, 0, 1]
    assert _agree(yard)
    assert [event["outcome"] for event in yard.events()] == ["evolved"]
    assert yard.document["version"] == "1.5.0"


def test_what_a_person_has_not_migrated_yet_is_left_to_them(yard: Yard) -> None:
    text = yard.contract_file.read_text(encoding="utf-8")
    changed = text.replace("physicalType: text\n", "physicalType: varchar(40)\n")
    assert changed != text
    yard.contract_file.write_text(changed, encoding="utf-8")
    yard.follow()
    assert yard.types() == {"item_id": "bigint", "name": "text", "colour": "text"}
    assert yard.rows("SELECT count(*) FROM groundwork.contract_version") == [(0,)]  # they do not agree


def _guarded(yard: Yard) -> None:
    """Give the yard its masked views, as the Dag of governance does."""
    target = yard.settings.policies
    target.mkdir(parents=True)
    for path in (PROJECT / "governance" / "policies").iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    apply_access(yard.engine, yard.domain, target)


def test_masked_views_show_the_new_form(yard: Yard) -> None:
    _guarded(yard)
    assert yard.rows("SELECT * FROM yard_access.items") == [(1, "a")]
    yard.follow_and_load("item_id,name,email", *(f"{number},x,someone{number}@example.org" for number in range(2, 9)))
    assert yard.rows("SELECT email FROM yard.items WHERE item_id = 2") == [("someone2@example.org",)]
    (role,) = yard.domain.roles
    yard.run(f"GRANT {role.name} TO CURRENT_USER")
    with yard.engine.connect() as connection, connection.begin():
        connection.execute(text(f"SET LOCAL ROLE {role.name}"))
        shown: str | None = connection.execute(
            text("SELECT email FROM yard_access.items WHERE item_id = 2")
        ).scalar_one()
    assert shown not in (None, "someone2@example.org")


def test_a_view_does_not_stand_in_the_way_of_a_wider_column(database: Database, tmp_path: Path) -> None:
    yard = make_yard(database.engine, tmp_path, {"item_id": "integer", "name": "varchar(3)"})
    yard.follow_and_load("item_id,name", "1,a")
    _guarded(yard)
    yard.follow_and_load("item_id,name", "5000000000,abcdef")
    assert yard.types() == {"item_id": "bigint", "name": "character varying(6)"}
    assert yard.rows("SELECT * FROM yard_access.items ORDER BY 1") == [(1, "a"), (5_000_000_000, "abcdef")]
