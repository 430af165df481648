"""`compare-to-db`: tables and domains by name, grants with or without, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.change.apply import migrate_domain
from groundwork.contracts.document import read_document
from groundwork.contracts.read import read_contract, read_domain
from tests.contracts.samples import CASES
from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
_POLICIES = Path(__file__).parents[2] / "governance" / "policies"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, database: Database) -> Run:
    contracts = tmp_path / "governance" / "contracts"
    for name in ("shop", "features"):
        (contracts / name).mkdir(parents=True)
        shutil.copy(CASES / f"{name}.odcs.yaml", contracts / name)
        migrate_domain(database.engine, read_domain(name, contracts))
    url = database.engine.url.set(drivername="postgres").render_as_string(hide_password=False)
    environment = {
        **os.environ,
        "GROUNDWORK_PROJECT": str(tmp_path),
        "GROUNDWORK_HOME": str(tmp_path / "home"),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW_CONN_WAREHOUSE": url,
    }

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "groundwork.cli", "compare-to-db", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS,
            env=environment,
        )

    return command


def test_tables_and_domains_by_name(run: Run, database: Database) -> None:
    done = run()
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["no differences: the database is what the contracts declare"],
    )
    assert "grants are not compared: the project has no policies" in done.stderr
    with database.engine.begin() as connection:
        connection.execute(text("DROP INDEX shop.sales_customer_id_idx"))
        connection.execute(text("ALTER TYPE \"Features\".mood ADD VALUE 'late'"))
        connection.execute(text('CREATE VIEW "Features".seen AS SELECT 1 AS one'))
    assert run("customers", "nodes_of_nothing").returncode == 2
    assert (run("customers").returncode, run("shop", "by_hash").returncode, run("by_hash").returncode) == (0, 1, 0)
    several = json.loads(run("sales", "features", "--json").stdout)
    assert several["domains"] == ["features", "shop"]
    assert [(change["object_type"], change["name"]) for change in several["changes"]] == [
        ("enum type", "mood"),
        ("index", "sales_customer_id_idx"),
    ]
    assert [item["name"] for item in several["not_compared"]] == ["seen"]
    of_types = run("Features.types")
    assert of_types.returncode == 1
    assert "~ enum type mood: differs" in of_types.stdout
    assert "1 difference" in of_types.stdout.splitlines()


def test_grants_are_compared_where_there_are_policies(run: Run, tmp_path: Path) -> None:
    shutil.copytree(_POLICIES, tmp_path / "governance" / "policies")
    contract = tmp_path / "governance" / "contracts" / "shop" / "shop.odcs.yaml"
    contract.write_text(contract.read_text(encoding="utf-8").replace("access: read", "access: write"), encoding="utf-8")
    assert read_contract(read_document(contract)).roles[0].access == "write"
    done = run("shop", "--json")
    assert done.returncode == 1, done.stderr
    changes = json.loads(done.stdout)["changes"]
    assert {change["object_type"] for change in changes} == {"grant"}
    assert "INSERT on shop.sales to shop_reader" in {change["declared"] for change in changes}
    of_table = json.loads(run("shop.customers", "--json").stdout)["changes"]
    assert {change["table"] for change in of_table} == {"customers"}
    assert run("shop", "--no-grants").returncode == 0
