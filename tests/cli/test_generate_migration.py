"""`generate-migration`: explained, applied, rolled back and followed from the command line, in processes of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from groundwork.local.postgres import EmbeddedPostgres
from groundwork.store.migrate import migrate
from tests.contracts.samples import CASES
from tests.fix_postgres import Database, _fresh_database
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path, database: Database, postgres: EmbeddedPostgres) -> Iterator[dict[str, str]]:
    """A project with the domain shop, an empty warehouse and a migrated store."""
    folder = tmp_path / "governance" / "contracts" / "shop"
    folder.mkdir(parents=True)
    shutil.copy(CASES / "shop.odcs.yaml", folder)
    for store in _fresh_database(postgres):
        engine = create_engine(store.url)
        migrate(engine)
        engine.dispose()
        yield {
            **os.environ,
            "GROUNDWORK_PROJECT": str(tmp_path),
            "GROUNDWORK_HOME": str(tmp_path / "home"),
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW_CONN_WAREHOUSE": _url(database),
            "AIRFLOW_CONN_GROUNDWORK_STORE": _url(store),
        }


def _url(database: Database) -> str:
    return database.engine.url.set(drivername="postgres").render_as_string(hide_password=False)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "groundwork.cli", "generate-migration", *arguments]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def command(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            _command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS,
            env=environment,
            input=stdin,
        )

    return command


def test_from_nothing_to_the_contracts_and_back(run: Run, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    explained = run("shop", "--output", str(plan))
    assert explained.returncode == 1, explained.stderr
    assert "CREATE TABLE" in explained.stdout
    assert "opinions" in explained.stderr
    document = json.loads(plan.read_text())
    assert document["needs_approval"] is False
    assert all(opinion["answer"] for opinion in document["squawk"])

    applied = run("apply", "shop", "--plan", str(plan), "--json")
    assert applied.returncode == 0, applied.stderr
    outcome = json.loads(applied.stdout)
    assert outcome["remaining"]["is_empty"] is True
    assert "CREATE TABLE" in applied.stderr

    again = run("shop")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing to do for shop")
    known = json.loads(run("status", "--json").stdout)["migrations"]
    assert [(row["id"], row["state"]) for row in known] == [(outcome["migration_id"], "applied")]

    number = str(outcome["migration_id"])
    assert "would undo: create" in run("rollback", number, "--dry-run").stdout
    back = run("rollback", number)
    assert back.returncode == 0, back.stderr
    assert run("status", number, "--json").returncode == 0
    assert run("shop").returncode == 1


def test_what_loses_is_not_done_unasked(run: Run, database: Database) -> None:
    assert run("apply", "shop").returncode == 0
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE shop.left_over AS SELECT 1 AS a"))
    left = run("apply", "shop")
    assert (left.returncode, "1 differences left" in left.stdout) == (1, True)
    refused = run("apply", "shop", "--accept", "loss", stdin="")
    assert refused.returncode == 2
    assert "nobody can be asked here" in refused.stderr
    done = run("apply", "shop", "--accept", "loss", "--yes")
    assert done.returncode == 0, done.stderr


def test_two_at_once_take_turns(environment: dict[str, str]) -> None:
    both = [
        subprocess.Popen(
            _command("apply", "shop", "--json"),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=PROCESS_SECONDS) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    applied = sorted(len(json.loads(out)["applied"]) for out, _ in ended)
    assert applied[0] == 0
    assert applied[1] > 0


def test_hand_written_ddl_is_reviewed(run: Run) -> None:
    assert run("apply", "shop").returncode == 0
    safe = run("review", "-", stdin="CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON shop.customer (id);")
    assert safe.returncode == 0, safe.stderr
    dangerous = run("review", "-", "--json", stdin="ALTER TABLE elsewhere.big RENAME COLUMN a TO b;")
    assert dangerous.returncode == 1
    assert json.loads(dangerous.stdout)["verdicts"][0]["safe_form"]
    broken = run("review", "-", stdin="ALTER TABEL x;")
    assert (broken.returncode, "not SQL" in broken.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere",), "no domain and no table is called `nowhere`"),
        (("apply", "shop", "--accept", "everything"), "expected: one of rewrite, loss"),
        (("rollback", "77"), "there is no such migration"),
        (("status", "77"), "there is no such migration"),
        (("review", "no/such/file.sql"), "the file cannot be read"),
        (("apply", "shop", "--plan", "no/such/plan.json"), "the file cannot be read"),
    ],
)
def test_wrong_input_says_what_is_wrong(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
