"""`validate-data`: exit codes, JSON on stdout only, every source, and saving."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.change.apply import migrate_domain
from groundwork.store.migrate import migrate
from tests.access.check_samples import EVERYTHING, csv_text, everything, json_lines, thing
from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "governance" / "contracts" / "everything"
    folder.mkdir(parents=True)
    (folder / "everything.odcs.yaml").write_text(EVERYTHING, encoding="utf-8")
    return tmp_path


def _run(project: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    variables = {**os.environ, "GROUNDWORK_PROJECT": str(project), "GROUNDWORK_HOME": str(project / "home")}
    command = [sys.executable, "-m", "groundwork.cli", "validate-data", *arguments]
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=PROCESS_SECONDS,
        env={**variables, **environment},
    )


def test_good_rows_exit_0_from_every_source(project: Path) -> None:
    path = project / "things.csv"
    path.write_bytes(csv_text([thing(1), thing(2)]))
    for source, stdin in (
        (str(path), b""),
        (json.dumps(thing(1)), b""),
        (json.dumps([thing(1), thing(2)]), b""),
        ("-", csv_text([thing(1)])),
        ("-", json_lines([thing(1), thing(2)])),
    ):
        done = _run(project, "things", source, "--offline", "--json", stdin=stdin)
        report = json.loads(done.stdout)
        assert (done.returncode, report["is_good"], report["errors"]) == (0, True, []), done.stderr
        assert "not in the table yet" in str(report["not_checked"])


def test_errors_exit_1(project: Path, tmp_path: Path) -> None:
    rows = [thing(number, day="31/12/2024", state="Open") for number in range(1, 30)]
    done = _run(
        project, "everything.things", "-", "--format", "csv", "--offline", "--max-errors", "2", "--errors",
        str(tmp_path / "errors.jsonl"), stdin=csv_text(rows),
    )  # fmt: skip
    told = done.stdout.decode()
    assert done.returncode == 1, done.stderr
    assert "line 2, day: expected a date as YYYY-MM-DD, found '31/12/2024'\n  fix: write `2024-12-31`" in told
    assert "… and 56 more" in told
    assert "58 errors in 29 of 29 rows for everything.things" in told
    written = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert len(written) == 58
    assert {error["corrected"] for error in written} == {"2024-12-31", "open"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing", "-", "--offline"], "no table is called `nothing`"),
        (["things", "no.csv", "--offline"], "there is no such file"),
        (["things", "-", "--format", "xls", "--offline"], "csv, json, jsonl, parquet"),
        (["things", "-", "--save", "--offline"], "cannot be saved without the database"),
        (["things", "-", "--offline", "--errors", "/nowhere/errors"], "cannot be written"),
        (["things", "-", "--offline", "--domain", "other"], "other"),
    ],
)
def test_what_cannot_be_done_exits_2(project: Path, arguments: list[str], words: str) -> None:
    done = _run(project, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.postgres
@pytest.mark.airflow
@pytest.mark.slow
def test_saving(project: Path, database: Database) -> None:
    migrate(database.engine)
    migrate_domain(database.engine, everything())
    url = database.engine.url.set(drivername="postgres").render_as_string(hide_password=False)
    environment = {
        "AIRFLOW_CONN_WAREHOUSE": url,
        "AIRFLOW_CONN_GROUNDWORK_STORE": url,
        "AIRFLOW_HOME": str(project / "airflow"),
    }
    good, bad = json_lines([thing(1), thing(2)]), json_lines([thing(3), thing(2, code="YY", at=None)])
    done = _run(project, "things", "-", "--format", "jsonl", "--save", "--json", stdin=good, **environment)
    report = json.loads(done.stdout)
    assert (done.returncode, report["is_saved"], report["written"]) == (0, True, 2), done.stderr
    assert report["audit_sequence"] == 1
    done = _run(project, "things", "-", "--format", "jsonl", "--save", stdin=bad, **environment)
    assert done.returncode == 1, done.stderr
    assert b"line 2, thing_id: expected a value of thing_id that is not in the table yet" in done.stdout
    assert b"nothing was saved" in done.stdout
    done = _run(project, "things", "-", "--format", "jsonl", "--save", "--mode", "upsert", stdin=bad, **environment)
    assert (done.returncode, b"2 rows saved" in done.stdout) == (0, True), done.stderr
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM everything.things")).scalar_one() == 3
    done = _run(project, "things", "-", stdin=good, **environment)
    assert done.returncode == 1
    nobody = database.engine.url.set(drivername="postgres", port=1).render_as_string(hide_password=False)
    lost = {**environment, "AIRFLOW_CONN_WAREHOUSE": nobody}
    done = _run(project, "things", "-", stdin=good, **lost)
    assert (done.returncode, b"--offline" in done.stderr) == (2, True), done.stderr
