"""What is measured when a task fails, on a real server, and conditions on it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from groundwork.orbt.observations import MEASURES, holds, observe_database, observe_machine
from tests.fix_postgres import Database
from tests.patience import until_it_waits


def test_a_machine_tells_of_itself(tmp_path: Path) -> None:
    found = observe_machine(tmp_path)
    assert found.keys() <= MEASURES.keys()
    assert found["task_memory_mb"] > 10
    assert 0 < found["memory_available_share"] < 1
    assert 0 < found["disk_free_share"] < 1


@pytest.mark.postgres
def test_a_server_tells_who_waits_and_how_full_it_is(database: Database) -> None:
    url = database.url.replace("+psycopg", "")
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE busy (id int)"))
    quiet = observe_database(lambda: database.engine)
    assert quiet["is_database_reachable"] == 1
    assert quiet["is_in_recovery"] == 0
    assert 0 < quiet["connections_used_share"] < 1
    with psycopg.connect(url) as holder, psycopg.connect(url) as waiter:
        holder.execute("LOCK TABLE busy")
        waiter.execute("BEGIN")
        waiter.pgconn.send_query(b"SELECT count(*) FROM busy")
        until_it_waits(database.engine, waiter.info.backend_pid)
        found = observe_database(lambda: database.engine)
        assert holds("blocked_sessions >= 1", found)
        assert found["longest_transaction_seconds"] > 0
        holder.close()
        waiter.close()


def test_a_server_that_is_away_is_a_measure_and_an_unknown_connection_is_none() -> None:
    away = create_engine("postgresql+psycopg://app:x@127.0.0.1:1/x", connect_args={"connect_timeout": 2})
    assert observe_database(lambda: away) == {"is_database_reachable": 0.0}

    def unknown() -> object:
        raise LookupError("no such connection")

    assert observe_database(unknown) == {}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("condition", "is_true"),
    [
        ("blocked_sessions >= 2", True),
        ("blocked_sessions > 2", False),
        ("blocked_sessions < 3", True),
        ("blocked_sessions <= 1.5", False),
        ("load_per_core >= 0", False),
    ],
)
def test_conditions(condition: str, is_true: bool) -> None:
    assert holds(condition, {"blocked_sessions": 2}) is is_true
