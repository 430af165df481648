"""Remedies act on a real server, on our own sessions only, and never raise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, text

from groundwork.orbt.remedies.connections.sessions import reset_stuck_connections
from groundwork.orbt.remedies.run import run
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on
from tests.patience import until_it_waits

pytestmark = pytest.mark.postgres


@contextmanager
def _session(database: Database, application: str) -> Iterator[psycopg.Connection]:
    url = database.url.replace("+psycopg", "")
    with psycopg.connect(url, application_name=application) as connection:
        yield connection


def _is_alive(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _sit_in_transaction(connection: psycopg.Connection) -> int:
    connection.execute("SELECT 1")
    return connection.info.backend_pid


def test_only_our_own_stuck_sessions_end(database: Database) -> None:
    other_role = f"other_{database.name}"
    with database.server.connect() as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'other'").format(sql.Identifier(other_role)))
    other_url = database.server.url(other_role, "other", database.name).replace("+psycopg", "")
    try:
        with (
            _session(database, "groundwork:load") as stuck,
            _session(database, "dashboard") as stranger,
            _session(database, "groundwork:idle") as idle,
            psycopg.connect(other_url, application_name="groundwork:else") as foreign,
        ):
            idle.autocommit = True
            pids = [_sit_in_transaction(each) for each in (stuck, stranger, idle, foreign)]
            assert reset_stuck_connections(database.engine, older_than_seconds=3600) == (), "nobody is stuck yet"
            time.sleep(0.2)
            assert reset_stuck_connections(database.engine, older_than_seconds=0.1) == (pids[0],)
            assert [_is_alive(each) for each in (stuck, stranger, idle, foreign)] == [False, True, True, True]
            stuck.close()
    finally:
        with database.server.connect() as admin:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(other_role)))


def test_a_session_of_ours_that_waits_for_a_lock_too_long_ends(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE busy (id int)"))
    with _session(database, "dashboard") as holder, _session(database, "groundwork:load") as waiter:
        holder.execute("LOCK TABLE busy")
        sent = waiter.pgconn
        waiter.execute("BEGIN")
        sent.send_query(b"SELECT count(*) FROM busy")
        until_it_waits(database.engine, waiter.info.backend_pid)
        time.sleep(0.2)  # for longer than is asked for
        assert reset_stuck_connections(database.engine, older_than_seconds=0.1) == (waiter.info.backend_pid,)
        assert _is_alive(holder)
        waiter.close()


def test_each_remedy_reports_what_it_did(database: Database) -> None:
    migrate(database.engine)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text('CREATE TABLE "Odd Name" AS SELECT generate_series(1, 1000) AS id'))
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.execute(text("SELECT 1"))
    analyzed = run("analyze_tables", scene_on(database.engine, store=database.engine))
    assert analyzed.is_done
    assert '"Odd Name"' in analyzed.report
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT reltuples FROM pg_class WHERE relname = 'Odd Name'")).scalar_one()
    assert found == 1000
    assert "none was stuck" in run("reset_connections", scene_on(database.engine)).report
    assert "logged in anew as" in run("refresh_credentials", scene_on(database.engine)).report


@pytest.mark.parametrize("remedy", ["reset_connections", "refresh_credentials", "analyze_tables"])
def test_a_server_that_is_away_is_told_not_raised(remedy: str, database: Database) -> None:
    migrate(database.engine)
    engine = create_engine("postgresql+psycopg://app:hunter2@127.0.0.1:1/x", connect_args={"connect_timeout": 2})
    result = run(remedy, scene_on(engine, store=database.engine))
    assert not result.is_done
    assert result.report.startswith("could not")
    assert "hunter2" not in result.report
