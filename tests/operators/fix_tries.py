"""A store and task instances for what stands before a try and what follows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from groundwork.model.fault import TaskTry
from groundwork.store.breaker import Breakers
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database


@pytest.fixture(scope="module")
def migrated(module_database: Database) -> Database:
    migrate(module_database.engine)
    return module_database


@pytest.fixture
def store(migrated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    from groundwork.operators import connections
    from groundwork.operators.tries import redirection, try_state

    address = migrated.url.replace("postgresql+psycopg", "postgres")
    for name in ("WAREHOUSE", "GROUNDWORK_STORE", "SHOP"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", address)
    monkeypatch.setenv("AIRFLOW_CONN_COPY", address.replace("127.0.0.1", "localhost"))
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    monkeypatch.delenv("GROUNDWORK_PROJECT", raising=False)
    connections.engine.cache_clear()
    yield migrated.engine
    redirection.restore()
    try_state.forget()
    connections.engine.cache_clear()
    tables = ("strike", "incident", "breaker", "alternative")
    with migrated.engine.begin() as connection:
        for name in tables:
            connection.execute(text(f"TRUNCATE groundwork.{name} CASCADE"))


class Task(SimpleNamespace):
    """A task as far as the hook looks at it."""

    def get_flat_relative_ids(self, *, upstream: bool) -> set[str]:
        """Nothing waits for it."""
        return set()


def instance(try_number: int = 1, *, max_tries: int = 2, task_id: str = "load", **task: Any) -> SimpleNamespace:
    from groundwork.operators.retry_policy import StrikePolicy

    whole = {"retries": 2, "retry_policy": StrikePolicy(), "outlets": [], "conn_id": "shop", "task_id": task_id, **task}
    told: dict[str, str] = {}
    return SimpleNamespace(
        dag_id="d", run_id="r 1", task_id=task_id, map_index=-1, try_number=try_number, max_tries=max_tries,
        task=Task(**whole), told=told, xcom_push=lambda key, value: told.update({key: value}),
    )  # fmt: skip


def a_try(number: int, task_id: str = "load") -> TaskTry:
    return TaskTry(dag_id="d", run_id="r 1", task_id=task_id, try_number=number)


def begin(found: SimpleNamespace) -> float | None:
    """The hook; the seconds that the task is told to wait."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    from groundwork.operators.healing import before_try
    from groundwork.operators.tries import try_state

    try_state.forget()
    try:
        before_try({"ti": found})  # type: ignore[typeddict-item]
    except AirflowRescheduleException as again:
        from datetime import UTC, datetime

        return float((again.reschedule_date - datetime.now(UTC)).total_seconds())
    return None


def fail(found: SimpleNamespace, error: BaseException) -> Any:
    return found.task.retry_policy.respond(error, found, has_try_left=True)


def gone() -> BaseException:
    return psycopg.OperationalError("connection to server failed: Connection refused")


def states(store: Engine) -> dict[str, tuple[str, int]]:
    return {row["target"]: (row["state"], row["failures"]) for row in Breakers(store).all()}
