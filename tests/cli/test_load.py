"""`load` and `pools` from the command line: exit codes, books, files in place of the source, and dry runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from groundwork.cli import commands
from groundwork.cli.load import with_file
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.contracts.source_keys import unknown_keys
from groundwork.model.errors import ConfigError, GroundworkError
from groundwork.operators import connections
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.operators.pipeline_contracts import WATERMARK, write_contract
from tests.patience import PROCESS_SECONDS

pytestmark = pytest.mark.postgres
GOOD = "number,day,other\n1,2026-01-01,\n2,2026-01-02,5\n3,2026-01-03,\n"
BROKEN = GOOD + "x,2026-01-04,\n"


def make_project(folder: Path, database: Database, **source: Any) -> Path:
    """A project whose one table stands in the database, with an empty store beside it."""
    write_contract(folder, "orders", source={**WATERMARK, **source})
    (folder / "data").mkdir()
    migrate(database.engine)
    with database.engine.begin() as connection:
        for statement in statements(read_domain("shop", folder / "governance" / "contracts")):
            connection.exec_driver_sql(statement.sql)
    return folder


def environment(project: Path, database: Database) -> dict[str, str]:
    """Variables that make `database` warehouse and store of the project."""
    address = database.url.replace("postgresql+psycopg://", "postgres://")
    return {
        "AIRFLOW_CONN_WAREHOUSE": address,
        "AIRFLOW_CONN_GROUNDWORK_STORE": address,
        "GROUNDWORK_PROJECT": str(project),
        "GROUNDWORK_HOME": str(project / "home"),
    }


def run(project: Path, database: Database, *arguments: str) -> Result:
    """`groundwork …` on the project, in this process; an error of ours is exit code 2, as in `main`."""
    connections.engine.cache_clear()
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment(project, database).items():
            patch.setenv(name, value)
        try:
            code = commands.load(arguments[0]).main(list(arguments[1:]), standalone_mode=False) or 0
        except GroundworkError as error:
            return Result(returncode=2, stdout="", stderr=str(error))
        finally:
            connections.engine("warehouse").dispose()
            connections.engine("groundwork_store").dispose()
    return Result(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command did."""

    returncode: int
    stdout: str
    stderr: str


def days(database: Database) -> list[str]:
    """The days in the table, in order."""
    with database.engine.connect() as connection:
        return [str(row.day) for row in connection.exec_driver_sql("SELECT day FROM shop.orders ORDER BY number")]


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Path:
    return make_project(tmp_path, database)


def test_all_loaded_exits_0_and_again_changes_nothing(project: Path, database: Database) -> None:
    (project / "data" / "orders.csv").write_text(GOOD)
    done = run(project, database, "load", "orders", "--json")
    books = json.loads(done.stdout)
    assert (done.returncode, books["read"], books["loaded"], books["quarantined"]) == (0, 3, 3, 0), done.stderr
    again = run(project, database, "load", "shop.orders")
    assert again.returncode == 0, again.stderr
    assert "3 read = 3 duplicates" in again.stdout or "3 unchanged" in again.stdout
    assert "records/s" not in again.stderr  # nobody watches


def test_some_quarantined_exits_1_and_names_the_reason(project: Path, database: Database) -> None:
    file = project / "elsewhere.csv"
    file.write_text(BROKEN)
    done = run(project, database, "load", "orders", "--source", str(file))
    assert done.returncode == 1, done.stderr
    assert "type:number: 1" in done.stdout
    assert "groundwork quarantine list --load" in done.stdout
    assert days(database) == ["2026-01-01", "2026-01-02", "2026-01-03"]


def test_a_range_loads_only_what_lies_in_it(project: Path, database: Database) -> None:
    (project / "data" / "orders.csv").write_text(GOOD)
    done = run(project, database, "load", "orders", "--from", "2026-01-02", "--to", "2026-01-03")
    assert done.returncode == 0, done.stderr
    assert days(database) == ["2026-01-02"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("orders",), "cannot be opened"),
        (("nothing",), "no table is called `nothing`"),
        (("orders", "--source", "gone.csv"), "there is no such file"),
        (("orders", "--connection", "nowhere"), "no connection `nowhere`"),
    ],
)
def test_what_cannot_be_loaded_exits_2(
    project: Path, database: Database, arguments: tuple[str, ...], told: str
) -> None:
    done = run(project, database, "load", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_the_command_itself_exits_2_without_a_traceback(project: Path, database: Database) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    done = subprocess.run(
        (sys.executable, "-m", "groundwork.cli", "load", "orders"),
        env={**own, "AIRFLOW_HOME": str(project / "airflow"), **environment(project, database)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_SECONDS,
    )
    assert done.returncode == 2
    assert "cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_that_is_not_there_is_told_with_the_next_step(tmp_path: Path, database: Database) -> None:
    write_contract(tmp_path, "orders")
    done = run(tmp_path, database, "load", "orders")
    assert done.returncode == 2
    assert "generate-migration" in done.stderr


def test_a_checkpoint_before_the_load_keeps_rows_waiting_and_exits_2(project: Path, database: Database) -> None:
    (project / "data" / "orders.csv").write_text(GOOD)
    entry = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 4}}
    meta = {"domain": "shop", "table": "shop.orders", "stage": "before_load"}
    suite = project / "expectations" / "orders.json"
    suite.parent.mkdir()
    suite.write_text(json.dumps({"name": "orders", "meta": meta, "expectations": [entry]}))
    done = run(project, database, "load", "orders")
    assert (done.returncode, "3 rows" in done.stderr) == (2, True), done.stderr
    assert days(database) == []
    suite.write_text(suite.read_text().replace("4", "3"))
    done = run(project, database, "load", "orders")
    assert (done.returncode, len(days(database))) == (0, 3), done.stderr


def test_a_dry_run_tells_and_writes_nothing(project: Path, database: Database) -> None:
    (project / "data" / "orders.csv").write_text(BROKEN)
    done = run(project, database, "load", "orders", "--dry-run", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert (told["read"], told["fitting"], told["quarantined"]) == (4, 3, 1)
    assert told["reasons"] == {"type:number": 1}
    assert days(database) == []
    with database.engine.connect() as connection:
        left = (
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'groundwork_flow' AND tablename ~ '^(staged|rejected)_'"
        )
        assert connection.exec_driver_sql(left).scalar_one() == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM groundwork_flow.load").scalar_one() == 0


def test_a_full_refresh_forgets_the_watermark(project: Path, database: Database) -> None:
    (project / "data" / "orders.csv").write_text(GOOD)
    assert run(project, database, "load", "orders").returncode == 0
    (project / "data" / "orders.csv").write_text("number,day,other\n1,2025-01-01,\n")
    assert run(project, database, "load", "orders", "--full-refresh").returncode == 0
    with database.engine.connect() as connection:
        found: str = connection.exec_driver_sql("SELECT value FROM groundwork_flow.watermark").scalar_one()
    assert found == "2025-01-01"


def test_a_file_takes_the_place_of_any_source(tmp_path: Path) -> None:
    write_contract(
        tmp_path,
        "orders",
        source={"kind": "table", "connection": "crm", "table": "orders", "columns": {"number": "id"}},
    )
    table = read_domain("shop", tmp_path / "governance" / "contracts").table("orders")
    for name, form in (("a.csv.gz", ("csv", "gzip")), ("a.jsonl", ("jsonl", None)), ("a.parquet", ("parquet", None))):
        (tmp_path / name).touch()
        source = dict(with_file(table, tmp_path / name).source or {})
        assert (source["kind"], source["format"], source.get("compression")) == ("file", *form)
        assert not {"connection", "columns", "table"} & source.keys()
        assert not list(unknown_keys(source))
    (tmp_path / "a.unknown").touch()
    no_form = write_contract(tmp_path, "other", source={"kind": "table", "format": None})
    other = read_domain("shop", no_form.parent.parent).table("other")
    with pytest.raises(ConfigError, match="nothing tells the form"):
        with_file(other, tmp_path / "a.unknown")
