"""Backups of tables: whole files of one state of the database, verified, pruned, and put beside the table exactly."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.model.errors import ConfigError
from groundwork.orbt.backups.compare import Comparison, compare_with_backup
from groundwork.orbt.backups.file import BackupFile, backups
from groundwork.orbt.backups.make import BackupRun, backup
from groundwork.orbt.backups.policy import BackupPolicy, read_backup_policy
from groundwork.orbt.backups.restore import drop_beside, restore_beside, side_schema
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import Shop, make_shop
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 3, 1, 2, 15, tzinfo=UTC)


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    return make_shop(database.engine, tmp_path)


def taken(shop: Shop, *tables: str, now: datetime = NOW, **policy: object) -> BackupRun:
    policy_of = BackupPolicy.model_validate({"keep": 3, **policy})
    chosen = [shop.table(name) for name in tables] or shop.domain.tables
    return backup(shop.engine, chosen, place=shop.project / "b", policy=policy_of, now=now)


def beside(shop: Shop, file: BackupFile, now: datetime = NOW) -> tuple[str, Comparison]:
    schema = side_schema(file, now)
    restore_beside(shop.engine, file, schema, seconds=PATIENCE_SECONDS)
    with shop.engine.begin() as connection:
        return schema, compare_with_backup(connection, shop.table(file.table), schema)


def test_every_table_is_backed_up_whole_and_comes_back_exactly(shop: Shop) -> None:
    shop.sql(r"""UPDATE shop.customers SET name = E'tab\t newline\n back\\slash "quoted" \\. ü' WHERE id = 1""")
    run = taken(shop)
    assert ([each.name for each in run.made], run.failed) == (["shop.customers", "shop.orders", "shop.lines"], {})
    assert [each.rows for each in run.made] == [5, 5, 10]
    for each in run.made:
        each.require_whole()
        assert {path.suffix for path in each.path.parent.iterdir()} == {".dump", ".json"}
        assert each.path.with_suffix(".json").stat().st_mode & 0o077 == 0
        schema, found = beside(shop, each)
        assert (found.agrees, found.same) == (True, each.rows)
        restored = shop.rows(f"SELECT held::text FROM {schema}.{each.table} AS held ORDER BY 1")
        assert [row[0] for row in restored] == shop.image(each.table)[each.table]
    assert [each.name for each in backups(shop.project / "b", table="orders")] == ["shop.orders"]


def test_what_was_lost_got_and_changed_since_is_told_by_key(shop: Shop) -> None:
    (file,) = taken(shop, "orders").made
    shop.sql(
        "DELETE FROM shop.lines WHERE order_id IN (2, 3)",
        "DELETE FROM shop.orders WHERE id IN (2, 3)",
        "INSERT INTO shop.orders VALUES (9, 1, 'new', 1, NULL, NULL)",
        "UPDATE shop.orders SET amount = 1.5 WHERE id = 4",
        "UPDATE shop.orders SET amount = 1.50 WHERE id = 1",
    )
    before = shop.image()
    _, found = beside(shop, file)
    assert (found.only_in_backup, found.only_in_table, found.differing, found.same) == (2, 1, 1, 2)
    assert found.examples == (
        "different: id=4",
        "only in the backup: id=2",
        "only in the backup: id=3",
        "only in the table: id=9",
    )
    assert shop.image() == before


def test_a_table_whose_columns_changed_since_is_compared_by_what_is_left(shop: Shop) -> None:
    (file,) = taken(shop, "orders").made
    shop.sql(
        "ALTER TABLE shop.orders ALTER code TYPE varchar(20), DROP COLUMN payload, ADD COLUMN note text",
        "UPDATE shop.orders SET code = 'x' WHERE id = 1",
    )
    schema, found = beside(shop, file)
    assert (found.differing, found.same, found.columns_left_out) == (1, 4, ("note", "payload"))
    kinds = shop.rows(
        "SELECT column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema = '{schema}' AND column_name IN ('code', 'amount') ORDER BY 1"
    )
    assert kinds == [("amount", "numeric"), ("code", "text")]


def test_a_partitioned_table_is_backed_up_with_its_rows(shop: Shop) -> None:
    shop.sql(
        "DROP TABLE shop.lines",
        "CREATE TABLE shop.lines (id bigint NOT NULL, order_id bigint, item text) PARTITION BY RANGE (id)",
        'CREATE TABLE shop."Low ""lines" (item text, id bigint NOT NULL, order_id bigint)',
        'ALTER TABLE shop.lines ATTACH PARTITION shop."Low ""lines" FOR VALUES FROM (0) TO (10)',
        "CREATE TABLE shop.high_lines PARTITION OF shop.lines DEFAULT",
        "INSERT INTO shop.lines SELECT n, n, 'item ' || n FROM generate_series(1, 20) AS n",
    )
    (file,) = taken(shop, "lines").made
    _, found = beside(shop, file)
    assert (file.rows, found.same, found.agrees) == (20, 20, True)


def test_all_tables_are_of_one_state(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.orbt.backups import make as engine_room

    real = engine_room.run_program  # type: ignore[attr-defined]  # where it is looked up

    def disturbed(*arguments: object, **options: object) -> None:
        shop.sql("INSERT INTO shop.lines VALUES ((SELECT max(id) + 1 FROM shop.lines), 1, 'late')")
        real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_room, "run_program", disturbed)
    run = taken(shop)
    assert [each.rows for each in run.made] == [5, 5, 10]
    assert {each.taken_at for each in run.made} == {NOW}
    _, found = beside(shop, run.made[2])
    assert (found.only_in_table, found.same) == (3, 10)


def test_only_the_newest_are_kept_and_remainders_go(shop: Shop) -> None:
    for day in range(4):
        taken(shop, "orders", now=NOW + timedelta(days=day), keep=2)
    found = backups(shop.project / "b")
    assert [each.taken_at.day for each in found] == [4, 3]
    folder = found[0].path.parent
    assert len(list(folder.iterdir())) == 4
    rest = folder / "20260101T000000000000Z.dump"
    rest.write_bytes(b"half")
    os.utime(rest, (1, 1))
    young = folder / "20260102T000000000000Z.part"
    young.write_bytes(b"being written")
    unpacked = folder / "groundwork-restore-x"
    unpacked.mkdir()
    os.utime(unpacked, (1, 1))
    taken(shop, "orders", now=NOW + timedelta(days=9), keep=2)
    assert (rest.exists(), unpacked.exists(), young.exists()) == (False, False, True)


def test_a_damaged_file_is_not_restored(shop: Shop) -> None:
    (file,) = taken(shop, "orders").made
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2] ^= 1
    file.path.write_bytes(content)
    with pytest.raises(ConfigError, match="not the file that was written"):
        restore_beside(shop.engine, file, "groundwork_restore_x", seconds=60)
    file.path.unlink()
    with pytest.raises(ConfigError, match="not the file that was written"):
        file.require_whole()
    manifest = file.path.with_suffix(".json")
    manifest.write_text(json.dumps({"rows": "many"}))
    assert backups(shop.project / "b") == []
    assert shop.rows("SELECT to_regnamespace('groundwork_restore_x')") == [(None,)]


def test_a_table_that_cannot_be_backed_up_does_not_keep_the_others_from_it(shop: Shop) -> None:
    shop.sql("DROP TABLE shop.lines")
    run = taken(shop)
    assert [each.name for each in run.made] == ["shop.customers", "shop.orders"]
    assert "not there" in run.failed["shop.lines"]
    large = taken(shop, "orders", most_bytes=100, now=NOW + timedelta(days=1))
    assert "larger than a backup of its own may be" in large.failed["shop.orders"]
    slow = taken(shop, "orders", seconds=0.001, now=NOW + timedelta(days=2))
    assert "longer than it may" in slow.failed["shop.orders"]
    assert str(shop.engine.url.password) not in str(slow.failed)
    assert len(backups(shop.project / "b", table="orders")) == 1
    assert not list((shop.project / "b").rglob("*.part"))


def test_without_programs_that_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.catalog.postgres_programs.program_folder", lambda _: None)
    with pytest.raises(ConfigError, match="no pg_dump"):
        taken(shop, "orders")


def test_no_schema_is_dropped_that_a_restoration_did_not_make(shop: Shop) -> None:
    (file,) = taken(shop, "orders").made
    schema, _ = beside(shop, file)
    shop.sql("CREATE SCHEMA groundwork_restore_mine")
    with shop.engine.begin() as connection:
        for name in ("shop", "groundwork_restore_mine"):
            with pytest.raises(ConfigError, match="not made by a restoration"):
                drop_beside(connection, name)
        assert drop_beside(connection, schema)
        assert not drop_beside(connection, schema)
    with shop.engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regnamespace('shop') IS NOT NULL"))


def test_the_policy_of_the_project_counts(tmp_path: Path) -> None:
    assert read_backup_policy(tmp_path) == BackupPolicy()
    assert BackupPolicy().folder(Path("/home")) == Path("/home/backups")
    assert BackupPolicy(place="/mnt/kept").folder(Path("/home")) == Path("/mnt/kept")
    path = tmp_path / "governance" / "policies" / "backup.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("kind: backup\nversion: 1.0.0\nkeep: 2\n")
    assert read_backup_policy(tmp_path).keep == 2
    path.write_text("kind: backup\nversion: 1.0.0\nkeep: 0\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_backup_policy(tmp_path)
    shipped = read_backup_policy(Path(__file__).resolve().parents[3])
    assert shipped == BackupPolicy()
