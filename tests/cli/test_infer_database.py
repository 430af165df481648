"""`infer` with a live database: a schema and SQL become contracts that the database agrees with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
Run = Callable[..., subprocess.CompletedProcess[str]]
_TABLES = """
CREATE TYPE sales.state AS ENUM ('open', 'paid');
CREATE TABLE sales.customers (
    customer_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE
);
CREATE TABLE sales.orders (
    order_id bigint PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES sales.customers ON DELETE CASCADE,
    state sales.state NOT NULL DEFAULT 'open',
    amount numeric(10,2) CHECK (amount >= 0)
);
CREATE INDEX orders_customer_id_idx ON sales.orders (customer_id);
"""
_ROWS = """
INSERT INTO sales.customers (email) SELECT 'person' || n || '@example.com' FROM generate_series(1, 80) n;
INSERT INTO sales.orders SELECT n, mod(n, 80) + 1, 'open', n * 1.5 FROM generate_series(1, 200) n;
"""


@pytest.fixture
def run(tmp_path: Path, database: Database) -> Run:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA sales; " + _TABLES + _ROWS)
    environment = {
        **os.environ,
        "GROUNDWORK_PROJECT": str(tmp_path),
        "GROUNDWORK_HOME": str(tmp_path / "home"),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW_CONN_WAREHOUSE": database.engine.url.set(drivername="postgres").render_as_string(hide_password=False),
        "AIRFLOW_CONN_FILES": "fs:///",
    }

    def command(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "groundwork.cli", name, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS,
            env=environment,
            cwd=tmp_path,
        )

    return command


def test_a_schema_becomes_a_domain_that_the_database_agrees_with(run: Run, database: Database) -> None:
    done = run("infer", "sales", "--into", "sales")
    assert done.returncode == 0, done.stderr
    assert "orders." in done.stderr
    assert "person1@" not in done.stderr
    checked = run("validate-schema", "sales")
    assert checked.returncode == 0, checked.stdout
    compared = run("compare-to-db", "sales")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    again = run("infer", "warehouse:sales", "--into", "sales")
    assert (again.returncode, again.stdout) == (2, "")
    assert "without a difference" in again.stderr
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE sales.orders ADD COLUMN note text"))
        connection.execute(text("CREATE VIEW sales.open_orders AS SELECT 1 AS one"))
    assert "    +      - name: note\n" in run("infer", "sales.orders", "--into", "sales").stderr
    told = json.loads(run("infer", "sales", "--json", "--no-profile", "--unmarked").stdout)
    assert [entry["name"] for entry in told["document"]["schema"]] == ["customers", "orders"]
    assert any("open_orders" in line for line in told["left_out"])


def test_sql_becomes_a_contract_per_table(run: Run, database: Database, tmp_path: Path) -> None:
    (tmp_path / "crm.sql").write_text(_TABLES.replace("sales.", "") + "INSERT INTO customers VALUES (1);\n")
    done = run("infer", "crm.sql", "--into", "crm", "--split")
    assert done.returncode == 1, done.stderr
    assert "left out" in done.stderr
    files = sorted(path.name for path in (tmp_path / "governance" / "contracts" / "crm").iterdir())
    assert files == ["customers.odcs.yaml", "orders.odcs.yaml"]
    checked = run("validate-schema", "crm")
    assert checked.returncode == 0, checked.stdout
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|info)'")).scalars()
        assert sorted(found) == ["public", "sales"]
    (tmp_path / "broken.sql").write_text("CREATE TABLE a (b int);\nCREATE TALBE c (d int);\n")
    broken = run("infer", "broken.sql")
    assert (broken.returncode, broken.stdout) == (2, ""), broken.stderr
    assert "where: broken.sql:" in broken.stderr
    assert "TALBE" in broken.stderr


def test_what_cannot_be_reached_exits_2(run: Run) -> None:
    for source, words in (
        ("sales.nothing", "nothing"),
        ("elsewhere:sales", "Airflow has no connection `elsewhere`"),
        ("files:sales", "is not to a PostgreSQL"),
    ):
        done = run("infer", source)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
