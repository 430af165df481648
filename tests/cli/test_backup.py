"""`backup` from the command line: made, listed, verified, put beside the table, dropped; exit codes and audit trail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.store.audit import AuditTrail
from tests.cli.test_load import GOOD, make_project, run
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Path:
    folder = make_project(tmp_path, database)
    (folder / "data" / "orders.csv").write_text(GOOD)
    assert run(folder, database, "load", "orders").returncode == 0
    return folder


def test_a_table_is_backed_up_and_put_beside_itself(project: Path, database: Database) -> None:
    done = run(project, database, "backup", "make", "orders")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shop.orders: 3 rows in ")
    assert str(project / "home" / "backups" / database.name / "shop.orders") in done.stdout
    same = run(project, database, "backup", "restore", "orders", "--json")
    assert (same.returncode, json.loads(same.stdout)["same"]) == (0, 3)
    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM shop.orders WHERE number = 2"))
    apart = run(project, database, "backup", "restore", "shop.orders")
    assert apart.returncode == 1
    assert "1 rows only in the backup, 0 only in the table" in apart.stdout
    schema = apart.stderr.split()[-1]
    dropped = run(project, database, "backup", "drop", schema)
    assert (dropped.returncode, dropped.stdout) == (0, f"{schema} is dropped\n")
    assert run(project, database, "backup", "drop", "shop").returncode == 2
    actions = [event["action"] for event in AuditTrail(database.engine).latest()]
    assert actions == ["backup_dropped", "backup_dropped", "backup_restored", "backup_restored"]


def test_the_list_tells_what_is_damaged(project: Path, database: Database) -> None:
    assert run(project, database, "backup", "list").stdout.splitlines()[1:] == []
    for _ in range(2):
        assert run(project, database, "backup", "make", "orders").returncode == 0
    found = json.loads(run(project, database, "backup", "list", "--json").stdout)
    assert [each["rows"] for each in found] == [3, 3]
    assert run(project, database, "backup", "list", "orders", "--verify").returncode == 0
    Path(found[0]["path"]).write_bytes(b"other")
    listed = run(project, database, "backup", "list", "--verify")
    assert listed.returncode == 1
    assert listed.stdout.splitlines()[1].endswith("shop.orders  DAMAGED")
    assert not listed.stdout.splitlines()[2].endswith("DAMAGED")
    newest = run(project, database, "backup", "restore", "orders")
    assert (newest.returncode, "not the file that was written" in newest.stderr) == (2, True)
    older = run(project, database, "backup", "restore", "orders", "--at", found[1]["taken_at"].replace("+00:00", "Z"))
    assert older.returncode == 0, older.stderr


def test_what_cannot_be_done_is_told(project: Path, database: Database) -> None:
    none = run(project, database, "backup", "restore", "orders")
    assert (none.returncode, "groundwork backup make shop.orders" in none.stderr) == (2, True)
    assert run(project, database, "backup", "make", "nobody").returncode == 2
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE shop.orders"))
    gone = run(project, database, "backup", "make", "orders", "--json")
    assert (gone.returncode, list(json.loads(gone.stdout)["failed"])) == (1, ["shop.orders"])
