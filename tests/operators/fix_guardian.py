"""A project, a store and connections for tasks that are executed as Airflow executes them, without a server of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.operators import connections
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database, _fresh_database

ROOT = Path(__file__).parents[2]


@dataclass
class Instance:
    """What a task needs to know of its run, with the XComs of the run."""

    dag_id: str = "test_dag"
    run_id: str = "manual__2026-01-01T00:00:00+00:00"
    task_id: str = "task"
    xcom: dict[tuple[str, str], Any] = field(default_factory=dict)

    def xcom_push(self, *, key: str, value: Any) -> None:
        """Keep a value for the tasks that follow."""
        self.xcom[self.task_id, key] = value

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        """The value of another task, or null."""
        return self.xcom.get((task_ids, key))


@dataclass(kw_only=True)
class Place:
    """A project of the test's own with an empty warehouse and a migrated store."""

    project: Path
    warehouse: Engine
    store: Engine
    xcom: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def contracts(self) -> Path:
        """The folder of the domain `market`."""
        return self.project / "governance" / "contracts" / "market"

    def execute(self, operator: Any) -> Any:
        """What the task returns; raises what it raises."""
        return operator.execute({"ti": Instance(task_id=operator.task_id, xcom=self.xcom)})

    def summary(self, task_id: str) -> Any:
        """The summary that a guardian's task left."""
        return self.xcom[task_id, "guardian"]

    def make_tables(self) -> None:
        """Make what the contracts declare."""
        domain = read_domain("market", self.contracts.parent)
        with self.warehouse.begin() as connection:
            for statement in statements(domain):
                run(connection, statement.sql)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a contract; what is changed has to be there."""
        path = self.contracts / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def place(
    tmp_path: Path, database: Database, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """The shipped contracts and policies, and connections as Airflow has them."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "governance", project / "governance")
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(project))
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    for other in _fresh_database(postgres):
        store = create_engine(other.url)
        migrate(store)
        for name, url in (("WAREHOUSE", database.url), ("GROUNDWORK_STORE", other.url)):
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}", url.replace("postgresql+psycopg", "postgres"))
        connections.engine.cache_clear()
        yield Place(project=project, warehouse=database.engine, store=store)
        for name in ("warehouse", "groundwork_store"):
            connections.engine(name).dispose()
        connections.engine.cache_clear()
        store.dispose()
