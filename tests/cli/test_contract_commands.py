"""The commands on contracts: exit codes, JSON on stdout only, and messages instead of tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.change.apply import migrate_domain
from tests.contracts.samples import SHOP_TEXT, shop
from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "governance" / "contracts" / "shop"
    folder.mkdir(parents=True)
    (folder / "shop.odcs.yaml").write_text(SHOP_TEXT, encoding="utf-8")
    return tmp_path


def _run(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    variables = {**os.environ, "GROUNDWORK_PROJECT": str(project), "GROUNDWORK_HOME": str(project / "home")}
    return subprocess.run(
        [sys.executable, "-m", "groundwork.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_SECONDS,
        env={**variables, **environment},
    )


@pytest.mark.parametrize("target", [["shop"], [], ["governance/contracts/shop/shop.odcs.yaml"], ["governance"]])
def test_clean_contracts_exit_0(project: Path, target: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    done = _run(project, "validate-schema", *target, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"findings": []}), done.stderr


def test_findings_exit_1(project: Path) -> None:
    path = project / "governance" / "contracts" / "shop" / "shop.odcs.yaml"
    path.write_text(SHOP_TEXT.replace("access: read", "access: all"), encoding="utf-8")
    done = _run(project, "validate-schema", "shop", "--json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["rule"], finding["file"], finding["line"]) == ("role", str(path), 12)
    done = _run(project, "validate-schema", "shop")
    assert f"{path}:12:5: error role" in done.stdout
    assert "fix: write `read` or `write`" in done.stdout
    assert "1 errors and 0 warnings" in done.stderr


def test_nothing_to_check_exits_2(project: Path) -> None:
    done = _run(project, "validate-schema", "nowhere", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no contract" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.postgres
@pytest.mark.airflow
@pytest.mark.slow
def test_comparing_exits_0_1_and_2(project: Path, database: Database) -> None:
    url = database.engine.url.set(drivername="postgres").render_as_string(hide_password=False)
    environment = {"AIRFLOW_CONN_WAREHOUSE": url, "AIRFLOW_HOME": str(project / "airflow")}
    migrate_domain(database.engine, shop())
    done = _run(project, "compare-to-db", "shop", "--json", **environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"domains": ["shop"], "is_empty": True, "changes": []}
    with database.engine.begin() as connection:
        connection.execute(text("DROP INDEX shop.sales_customer_id_idx"))
    done = _run(project, "compare-to-db", "shop", "--json", **environment)
    assert done.returncode == 1, done.stderr
    assert [change["name"] for change in json.loads(done.stdout)["changes"]] == ["sales_customer_id_idx"]
    done = _run(project, "compare-to-db", "customers", **environment)
    assert (done.returncode, done.stdout.strip()) == (0, "no differences: the database is what the contracts declare")
    done = _run(project, "compare-to-db", "nothing", "--json", **environment)
    assert (done.returncode, done.stdout) == (2, "")
    done = _run(
        project,
        "compare-to-db",
        "shop",
        **{**environment, "AIRFLOW_CONN_WAREHOUSE": url.replace("@127.0.0.1:", "@127.0.0.1:1")},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
