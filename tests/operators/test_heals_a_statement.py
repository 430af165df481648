"""An operator that is not ours, whose driver does not tell the statement: healed by what the operator declares."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_airflow import hurry_patterns
from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
_ROOT = Path(__file__).parents[2]
_POLICY = "kind: remedies\nversion: 1.0.0\nremedies: {create_index: {settings: {any_table: true}}}\n"


def _project(folder: Path) -> Path:
    (folder / "dags").mkdir(parents=True)
    shutil.copytree(_ROOT / "governance", folder / "governance")
    hurry_patterns(folder)
    (folder / "governance" / "policies" / "remedies.yaml").write_text(_POLICY, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("statement_drill.py"), folder / "dags")
    return folder


def _sales(database: Database) -> None:
    """Many rows without an index, in a database in which nothing but that decides how long a look-up takes."""
    with database.engine.begin() as connection:
        for name in ("jit", "max_parallel_workers_per_gather"):
            connection.execute(text(f"ALTER DATABASE {database.name} SET {name} = 0"))
        connection.execute(text("CREATE SCHEMA shop"))
        connection.execute(
            text(
                "CREATE TABLE shop.sales AS SELECT id, 'number ' || id AS reference, 1 AS amount "
                "FROM generate_series(1, 300000) AS id"
            )
        )
        connection.execute(text("ANALYZE shop.sales"))
    database.engine.dispose()


def test_a_timeout_for_lack_of_an_index_is_healed(tmp_path: Path, database: Database, airflow_schema: Path) -> None:
    migrate(database.engine)
    _sales(database)
    project = _project(tmp_path / "project")
    shutil.copy(airflow_schema, project / "airflow.db")
    address = database.url.replace("postgresql+psycopg", "postgres")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))},
        "AIRFLOW_HOME": str(project / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{project}/airflow.db",
        "AIRFLOW_CONN_GROUNDWORK_STORE": address,
        "AIRFLOW_CONN_SHOP": f"{address}?options=-c%20statement_timeout%3D2000",
        "GROUNDWORK_PROJECT": str(project),
        "GROUNDWORK_HOME": str(project / "home"),
    }
    done = subprocess.run(
        (sys.executable, str(project / "dags" / "statement_drill.py")),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, f"the run broke:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    strikes = Strikes(database.engine).latest()
    assert json.loads(lines[0].removeprefix("RESULT ")) == ["success", 2], strikes
    (strike,) = strikes
    assert (strike["fault_class"], strike["sqlstate"], strike["outcome"]) == ("slow_queries", "57014", "healed")
    assert strike["exception"].startswith("psycopg"), "of the driver itself, which tells no statement"
    reports = {each["remedy"]: each for each in strike["remedies"]}
    assert reports["create_index"]["is_done"], reports
    assert "shop.sales (reference)" in reports["create_index"]["report"]
    assert "number 77" not in str(strike), "no value of a parameter is kept"
