"""A warehouse, a store and the market's contracts in a folder of the test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.change.stage import Acceptance
from groundwork.contracts.read import read_domain
from groundwork.foundation.table_workflow.workflow import TableWorkflow
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.model.operation import Operation
from groundwork.settings import Settings
from groundwork.store.migrate import migrate
from groundwork.store.table_workflow import TableWorkflows
from tests.fix_postgres import Database, _fresh_database

_ROOT = Path(__file__).parents[3]
Flow = Callable[..., TableWorkflow]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the shipped contracts and policies."""
    for folder in ("governance", "dbt_project", "dags", "expectations"):
        shutil.copytree(
            _ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("target", "logs", "__pycache__")
        )
    return tmp_path


@pytest.fixture
def store(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """Groundwork's own database, migrated."""
    for database in _fresh_database(postgres):
        engine = create_engine(database.url)
        migrate(engine)
        yield engine
        engine.dispose()


@pytest.fixture
def flow(database: Database, store: Engine, project: Path) -> Flow:
    """Makes the workflow of one step: `flow("strategies", "define")`; every call reads the contracts anew."""

    def made(table: str, step: str, *, run: str = "run", accept: frozenset[Acceptance] = frozenset()) -> TableWorkflow:
        settings = Settings(project=project, home=project / ".groundwork")
        domain = read_domain("market", settings.contracts)
        found = TableWorkflow(
            run_id=f"new_table/{run}",
            domain=domain,
            table=domain.table(table),
            warehouse=database.engine,
            store=store,
            target="warehouse",
            settings=settings,
            actor="test",
            operation=Operation(project="market", name=step, step=1, kind="schema"),
            accepted=accept,
        )
        qualified = found.table.qualified_name
        TableWorkflows(store).start(found.run_id, kind="new_table", domain="market", table=qualified, actor="test")
        return found

    return made
