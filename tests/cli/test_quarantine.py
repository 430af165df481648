"""`quarantine` from the command line: counted, shown masked, revealed on record, corrected, replayed, given up."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer

from groundwork.store.audit import AuditTrail
from tests.cli.test_load import days, make_project, run
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
ROWS = "number,day,other\n1,2026-01-01,\n2,yesterday,secret\n3,2026-02-30,7\n"


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Path:
    folder = make_project(tmp_path, database)
    path = folder / "governance" / "contracts" / "shop" / "orders.odcs.yaml"
    path.write_text(path.read_text().replace("classification: internal", "classification: restricted"))
    (folder / "data" / "orders.csv").write_text(ROWS)
    assert run(folder, database, "load", "orders").returncode == 1
    return folder


def test_list_counts_and_shows_no_value(project: Path, database: Database) -> None:
    done = run(project, database, "quarantine", "list", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert {row["reason"]: row["rows"] for row in found} == {"type:day": 2, "type:other": 1}
    listed = run(project, database, "quarantine", "list", "--rows", "--table", "orders", "--reason", "type:other")
    assert "type:day, type:other" in listed.stdout
    assert "secret" not in listed.stdout
    assert len(listed.stdout.splitlines()) == 2
    other = run(project, database, "quarantine", "list", "--table", "nobody")
    assert (other.returncode, other.stderr) == (0, "nothing is in quarantine\n")
    wrong = run(project, database, "quarantine", "list", "--state", "lost")
    assert (wrong.returncode, "held, replayed" in wrong.stderr) == (2, True)


def test_show_masks_unless_revealed_and_revealing_is_on_record(project: Path, database: Database) -> None:
    masked = run(project, database, "quarantine", "show", "1")
    assert masked.returncode == 0, masked.stderr
    assert "yesterday" in masked.stdout
    assert "secret" not in masked.stdout
    assert AuditTrail(database.engine).latest() == []
    shown = run(project, database, "quarantine", "show", "1", "--reveal", "--json")
    assert json.loads(shown.stdout)["raw"]["other"] == "secret"
    (event,) = AuditTrail(database.engine).latest()
    assert (event["action"], event["subject"]) == ("quarantine_revealed", "quarantine:shop.orders")
    assert "secret" not in json.dumps(event["details"])
    assert run(project, database, "quarantine", "show", "99").returncode == 2


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_corrected_file_comes_back(project: Path, database: Database, suffix: str) -> None:
    file = project / f"broken.{suffix}"
    done = run(project, database, "quarantine", "export", "orders", str(file))
    assert done.returncode == 0, done.stderr
    rows = _read(file)
    assert [row["day"] for row in rows] == ["yesterday", "2026-02-30"]
    assert {row["other"] for row in rows} == {"•••"}
    assert "type:day" in str(rows[0]["reasons"])
    rows[0]["day"], rows[1]["day"] = "2026-01-02", "2026-02-28"
    rows[0]["other"] = "5"  # the other keeps its mask, and with it what was kept
    fixed = project / "fixed.jsonl"
    fixed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    replayed = run(project, database, "quarantine", "replay", "orders", "--file", str(fixed))
    assert replayed.returncode == 0, replayed.stderr
    assert "2 replayed" in replayed.stdout
    assert days(database) == ["2026-01-01", "2026-01-02", "2026-02-28"]
    with database.engine.connect() as connection:
        found: list[int | None] = list(
            connection.exec_driver_sql("SELECT other FROM shop.orders ORDER BY number").scalars()
        )
    assert found == [None, 5, 7]


def test_what_stays_exits_1(project: Path, database: Database) -> None:
    done = run(project, database, "quarantine", "replay", "orders", "--set", "day=2026-03-01", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["replayed"], told["failed"]) == (1, 1, 1), done.stderr
    left = json.loads(run(project, database, "quarantine", "list", "--json").stdout)
    assert [(row["reason"], row["rows"]) for row in left] == [("type:other", 1)]
    null = run(project, database, "quarantine", "replay", "orders", "--set", "day=2026-03-01", "--set", "other=\\N")
    assert null.returncode == 0, null.stderr
    assert len(days(database)) == 3
    actions = [event["action"] for event in AuditTrail(database.engine).latest()]
    assert actions == ["quarantine_replay_started"] * 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("day\n2026-01-01\n", "does not tell which row"),
        ("quarantine_id,day\n1,2026-01-01\n1,2026-01-01\n", "stands there twice"),
        ("quarantine_id,day\n1\n", "another number of fields"),
        ("quarantine_id,dey\n1,2026-01-01\n", "cannot be filled"),
        ("quarantine_id,day\n77,2026-01-01\n", "not held in quarantine"),
        ("quarantine_id,day\n", "holds no row"),
    ],
)
def test_a_file_that_says_nothing_clear_changes_nothing(
    project: Path, database: Database, content: str, told: str
) -> None:
    file = project / "fixed.csv"
    file.write_text(content)
    done = run(project, database, "quarantine", "replay", "orders", "--file", str(file))
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert days(database) == ["2026-01-01"]


def _read(file: Path) -> list[dict[str, object]]:
    if file.suffix == ".parquet":
        return list(pq.read_table(file).to_pylist())
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text().splitlines()]
    with file.open(newline="") as stream:
        return [dict(row) for row in csv.DictReader(stream)]


def test_what_is_given_up_is_on_record_and_counts_apart(
    project: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("quarantine", "drop", "orders", "--reason", "type:other", "--because", "a typo at the till")
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody answers
    with pytest.raises(typer.Abort):
        run(project, database, *asked)
    assert AuditTrail(database.engine).latest() == []
    done = run(project, database, *asked, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "table": "shop.orders", "dropped": 1, "left": 1, "because": "a typo at the till",
    }  # fmt: skip
    (event,) = AuditTrail(database.engine).latest()
    assert (event["action"], event["subject"]) == ("quarantine_dropped", "quarantine:shop.orders")
    assert (event["details"]["rows"], event["details"]["because"]) == (1, "a typo at the till")
    listed = run(project, database, "quarantine", "list")
    assert "type:other" not in listed.stdout
    assert listed.stderr == "1 more were dropped: --state dropped\n"
    dropped = json.loads(run(project, database, "quarantine", "list", "--state", "dropped", "--json").stdout)
    assert {row["reason"]: row["state"] for row in dropped} == {"type:day": "dropped", "type:other": "dropped"}
    shown = run(project, database, "quarantine", "show", "1").stdout
    assert "dropped_because     a typo at the till" in shown
    replayed = run(project, database, "quarantine", "replay", "orders", "--set", "day=2026-03-01")
    assert (replayed.returncode, "1 rows of the quarantine = 1 replayed" in replayed.stdout) == (0, True)
    blank = run(project, database, "quarantine", "drop", "orders", "--because", " ", "--yes")
    assert (blank.returncode, "without a reason" in blank.stderr) == (2, True)
