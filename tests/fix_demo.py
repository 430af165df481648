"""The demo, run once for all tests that look at what it leaves."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.read import read_domain
from groundwork.local.airflow_api import UNFINISHED, DagRun
from groundwork.local.databases import WAREHOUSE, database_url
from tests.fix_stack import Stack

_PATIENCE_SECONDS = 600  # a busy machine is slow, and what never ends fails all the same


@dataclass(frozen=True, kw_only=True)
class Demonstrated:
    """A deployment after its first demo, with what that demo said."""

    stack: Stack
    said: str
    exit_code: int

    def warehouse(self) -> Engine:
        """The warehouse as its owner; the caller disposes of it."""
        return create_engine(database_url(self.stack.layout, self.stack.ports.postgres, WAREHOUSE))

    def rows(self) -> dict[str, int]:
        """Rows of each declared table."""
        engine = self.warehouse()
        try:
            with engine.connect() as connection:
                return {
                    table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
                    for table in metadata(self.domain).sorted_tables
                }
        finally:
            engine.dispose()

    @property
    def domain(self) -> Domain:
        """The domain market as declared."""
        return read_domain("market", self.stack.layout.project / "governance" / "contracts")

    def compare(self) -> tuple[int, dict[str, Any]]:
        """Exit code and document of `groundwork compare-to-db market --json`."""
        done = self.stack.command("compare-to-db", "market", "--json")
        return done.returncode, json.loads(done.stdout)

    def finished_run(self, dag_id: str, *, run_id: str | None = None) -> DagRun:
        """The named run, or the newest, once it ended; fails when none ends in time."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with self.stack.airflow() as airflow:
            while time.monotonic() < deadline:
                runs = [run for run in airflow.runs(dag_id) if run_id in (None, run.run_id)]
                if runs and runs[0].state not in UNFINISHED:
                    return runs[0]
                time.sleep(1)
        raise AssertionError(f"no run of {dag_id} ended within {_PATIENCE_SECONDS} s")

    def triggered_run(self, dag_id: str, **conf: object) -> DagRun:
        """A run of `dag_id` started now, once it ended."""
        with self.stack.airflow() as airflow:
            run_id = airflow.trigger(dag_id, conf)
        return self.finished_run(dag_id, run_id=run_id)


@pytest.fixture(scope="session")
def demonstrated(stack: Stack) -> Demonstrated:
    """The session's deployment after one demo."""
    done = stack.run_demo()
    return Demonstrated(stack=stack, said=done.stdout + done.stderr, exit_code=done.returncode)
