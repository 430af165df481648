"""A change in a source table wakes a Dag of a running Airflow, and arrives."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import Engine, create_engine, text

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.local.databases import WAREHOUSE, database_url
from tests.fix_stack import Stack, remove, run_command, temporary_layout
from tests.flow.capture.shop import SOURCE, contract

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]
_ROOT = Path(__file__).parents[2]
_DAG = "stream_shop_warehouse"
_SECONDS = 180.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment whose only domain is the shop, kept by a stream out of another schema of the warehouse."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("governance", "dbt_project", "expectations"):
        shutil.copytree(_ROOT / folder, project / folder, ignore=shutil.ignore_patterns("target", "logs", "contracts"))
    for folder in ("dags", "plugins", "governance/contracts/shop"):
        (project / folder).mkdir(parents=True)
    shutil.copy(_ROOT / "dags" / "streams.py", project / "dags")
    shutil.copy(_ROOT / "plugins" / "groundwork_plugin.py", project / "plugins")
    declared = contract({"connection": "warehouse"}, {"connection": "warehouse"})
    (project / "governance/contracts/shop/shop.odcs.yaml").write_text(yaml.safe_dump(declared), encoding="utf-8")
    layout = temporary_layout(project)
    try:
        started = run_command(layout, "up", timeout=400)
        assert started.returncode == 0, started.stderr
        yield Stack(layout=layout)
    finally:
        remove(layout)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {stack.token()}"}
    with httpx.Client(base_url=f"{stack.airflow_url}/api/v2", headers=headers, trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Iterator[Engine]:
    engine = create_engine(database_url(stack.layout, stack.ports.postgres, WAREHOUSE))
    domain = read_domain("shop", stack.layout.project / "governance" / "contracts")
    with engine.begin() as connection:
        for statement in SOURCE.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        for made in statements(domain):
            run(connection, made.sql)
        connection.execute(text("INSERT INTO origin.customer VALUES (1, 'a@x.org', 'DE', now(), NULL)"))
    yield engine
    engine.dispose()


def _wait(what: Callable[[], Any], told: str) -> Any:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{told} did not happen within {_SECONDS:.0f} s")


def _runs(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/dags/{_DAG}/dagRuns").raise_for_status().json()["dag_runs"]
    return found


def test_a_change_wakes_the_dag_and_arrives(stack: Stack, client: httpx.Client, warehouse: Engine) -> None:
    def emails() -> list[str]:
        with warehouse.connect() as connection:
            rows = connection.execute(text("SELECT email FROM shop.customers ORDER BY customer_id"))
            return [str(each) for each in rows.scalars()]

    _wait(lambda: client.get(f"/dags/{_DAG}").status_code == 200, "parsing the Dag")
    client.patch(f"/dags/{_DAG}", json={"is_paused": False}).raise_for_status()
    _wait(lambda: emails() == ["a@x.org"], f"the snapshot ({_runs(client)})")
    _wait(lambda: all(each["state"] == "success" for each in _runs(client)), "the end of the first run")
    before = len(_runs(client))
    with warehouse.begin() as connection:
        connection.execute(text("UPDATE origin.customer SET mail = 'b@x.org'"))
        connection.execute(text("INSERT INTO origin.customer VALUES (2, 'c@x.org', 'FR', now(), NULL)"))
    _wait(lambda: emails() == ["b@x.org", "c@x.org"], f"the change ({_runs(client)})")
    assert len(_runs(client)) > before
    assert "asset_triggered" in {each["run_type"] for each in _runs(client)}
    told = stack.command("capture", "status", "--json")
    assert told.returncode == 0, told.stderr
    (status,) = json.loads(told.stdout)
    assert (status["stream"], status["rows_behind"], status["way"]) == ("shop.warehouse", 0, "outbox")
    page = httpx.get(
        f"{stack.airflow_url}/groundwork/ui",
        headers={"Authorization": f"Bearer {stack.token()}"},
        trust_env=False,
        timeout=30,
    )
    assert "shop.warehouse" in page.raise_for_status().text
