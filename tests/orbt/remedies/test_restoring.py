"""The newest backup beside the table, told by key; the table is never touched, and undoing leaves nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from groundwork.orbt.backups.file import backups
from groundwork.orbt.backups.make import backup
from groundwork.orbt.backups.policy import read_backup_policy
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import RemedyRefusedError
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import Shop, make_shop

pytestmark = pytest.mark.postgres
NAME = "restore_backup"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    found = make_shop(database.engine, tmp_path)
    policy = read_backup_policy(tmp_path)
    for day in (1, 2):
        now = datetime(2026, 3, day, tzinfo=UTC)
        backup(found.engine, [found.table("lines")], place=policy.folder(tmp_path), policy=policy, now=now)
        found.sql("DELETE FROM shop.lines WHERE id = (SELECT max(id) FROM shop.lines)")
    return found


def schemas(shop: Shop) -> list[str]:
    return [row[0] for row in shop.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'groundwork%'")]


def test_the_newest_backup_stands_beside_the_table_until_it_is_undone(shop: Shop) -> None:
    before, constraints = shop.image(), shop.constraints()
    scene = shop.scene("shop.lines")
    assert "2026-03-02 00:00:00Z (9 rows)" in remedy(NAME).plan(scene)[0]
    assert schemas(shop) == []
    journal = shop.apply(NAME, scene)
    assert "1 rows only in the backup, 0 only in the table, 0 different, 8 the same" in journal.report
    assert "only in the backup: id=9" in journal.report
    (schema,) = schemas(shop)
    assert shop.rows(f"SELECT count(*) FROM {schema}.lines") == [(9,)]
    assert (shop.image(), shop.constraints()) == (before, constraints)
    assert shop.undo(NAME, journal) == [f"the schema {schema} is dropped"]
    assert shop.undo(NAME, journal) == [f"the schema {schema} was never made"]
    assert schemas(shop) == []


def test_without_a_backup_or_with_a_damaged_one_nothing_is_made(shop: Shop) -> None:
    with pytest.raises(RemedyRefusedError, match=r"groundwork backup make shop\.orders"):
        shop.apply(NAME)
    newest = backups(read_backup_policy(shop.project).folder(shop.project))[0]
    newest.path.write_bytes(b"other")
    with pytest.raises(RemedyRefusedError, match="not the file that was written"):
        shop.apply(NAME, shop.scene("shop.lines"))
    assert schemas(shop) == []


def test_what_breaks_off_in_the_middle_leaves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.orbt.backups import restore as backup_restore

    monkeypatch.setattr(backup_restore, "_counted", lambda connection, *_: shop_ends(shop, connection))
    with pytest.raises(Exception, match=r"terminating connection|closed"):
        shop.apply(NAME, shop.scene("shop.lines"))
    assert schemas(shop) == []


def shop_ends(shop: Shop, connection: object) -> int:
    """End the session of a restoration that has filled its table."""
    from sqlalchemy import Connection, text

    assert isinstance(connection, Connection)
    pid: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    shop.rows(f"SELECT pg_terminate_backend({pid}, 5000)")
    return int(connection.execute(text("SELECT 1")).scalar_one())
