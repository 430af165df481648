"""Sessions that hold up ours: found behind the failed statement and behind others, ended only as policy says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from groundwork.model.fault import RemedyResult
from groundwork.orbt.remedies.run import dry_run, run
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on
from tests.patience import PATIENCE_SECONDS, is_asleep, until, until_it_waits

pytestmark = pytest.mark.postgres
_UPDATE = "UPDATE stock SET amount = amount - 1 WHERE name = %(name)s"
_NAME = {"name": "Ann's apples"}


@pytest.fixture
def stock(database: Database) -> Database:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE stock (name text PRIMARY KEY, amount int)"))
        connection.execute(text("INSERT INTO stock VALUES ('Ann''s apples', 5), ('pears', 5)"))
    return database


@contextmanager
def session(database: Database, application: str, *statements: str, url: str = "") -> Iterator[psycopg.Connection]:
    """A session in a transaction that has run these statements."""
    connection = psycopg.connect((url or database.url).replace("+psycopg", ""), application_name=application)
    try:
        for statement in statements:
            connection.execute(statement)
        yield connection
    finally:
        connection.close()


def is_alive(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def heal(database: Database, statement: str | None = _UPDATE, **settings: Any) -> RemedyResult:
    whole = {"idle_seconds": 0.1, "active_seconds": 0.1, **settings}
    parameters = _NAME if statement == _UPDATE else None
    scene = scene_on(database.engine, statement=statement, parameters=parameters, settings=whole)
    time.sleep(0.15)
    return run("end_blockers", scene)


def amount(database: Database) -> int:
    with database.engine.connect() as connection:
        return connection.execute(text("SELECT amount FROM stock WHERE name = :name"), _NAME).scalar_one()


_HOLD_ROW = "UPDATE stock SET amount = 0 WHERE name = 'Ann''s apples'"


def test_a_session_of_ours_that_sits_on_the_row_is_ended_and_told_without_values(stock: Database) -> None:
    with session(stock, "groundwork:stuck", _HOLD_ROW) as blocker, session(stock, "groundwork:by", "SELECT 1") as other:
        pid = blocker.info.backend_pid
        result = heal(stock)
        assert result.is_done, result.report
        assert not is_alive(blocker)
        assert is_alive(other)
    assert f"session {pid} (groundwork_test, groundwork:stuck, idle in transaction" in result.report
    assert "`UPDATE stock SET amount = ? WHERE name = ?`" in result.report
    assert "; ended" in result.report
    assert "apples" not in result.report
    assert [change.facts["pid"] for change in result.changes] == [pid]
    assert amount(stock) == 5, "what the blocker did was rolled back, and the failed statement was not run"


@pytest.mark.parametrize(
    ("hold", "statement"),
    [
        ("LOCK TABLE stock", "SELECT count(*) FROM stock"),
        ("LOCK TABLE stock IN SHARE MODE", "INSERT INTO stock VALUES ('plums', 1)"),
        ("SELECT * FROM stock FOR SHARE", "DELETE FROM stock WHERE amount > 1"),
    ],
)
def test_locks_on_tables_and_rows_are_found(stock: Database, hold: str, statement: str) -> None:
    with session(stock, "groundwork:stuck", hold) as blocker:
        result = heal(stock, statement)
        assert result.is_done, result.report
        assert not is_alive(blocker)
    with stock.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM stock")).scalar_one() == 2


def test_others_are_left_alone_unless_policy_names_role_and_application(stock: Database) -> None:
    with session(stock, "dashboard", _HOLD_ROW) as blocker:
        for others in ([], [{"role": "groundwork_test"}], [{"role": "somebody", "application": "*"}]):
            result = heal(stock, others=others)
            assert not result.is_done
            assert "left alone: not ours, and policy does not name it" in result.report
            assert is_alive(blocker)
        assert heal(stock, others=[{"role": "groundwork_test", "application": "dash*"}]).is_done
        assert not is_alive(blocker)


def test_another_login_with_our_name_is_not_ours(stock: Database) -> None:
    role = f"other_{stock.name}"
    name = sql.Identifier(role)
    with stock.server.connect() as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'other'").format(name))
    with stock.engine.begin() as connection:
        connection.execute(text(f"GRANT ALL ON stock TO {role}"))
    try:
        url = stock.server.url(role, "other", stock.name)
        with session(stock, "groundwork:else", _HOLD_ROW, url=url) as blocker:
            result = heal(stock)
            assert "not ours" in result.report
            assert is_alive(blocker)
    finally:
        with stock.engine.begin() as connection:
            connection.execute(text(f"REVOKE ALL ON stock FROM {role}"))
        with stock.server.connect() as admin:
            admin.execute(sql.SQL("DROP ROLE {}").format(name))


def test_who_has_not_been_in_the_way_for_long_is_left_alone(stock: Database) -> None:
    with session(stock, "groundwork:new", _HOLD_ROW) as blocker:
        result = heal(stock, idle_seconds=600)
        assert "not yet for 600 s" in result.report
        assert is_alive(blocker)


def test_only_the_root_of_a_chain_is_ended(stock: Database) -> None:
    with ExitStack() as stack:
        root = stack.enter_context(session(stock, "groundwork:root", _HOLD_ROW))
        middle = stack.enter_context(
            session(stock, "groundwork:middle", "UPDATE stock SET amount = 1 WHERE name = 'pears'")
        )
        middle.pgconn.send_query(_HOLD_ROW.encode())
        until_it_waits(stock.engine, middle.info.backend_pid)
        result = heal(stock, "UPDATE stock SET amount = 2 WHERE name = 'pears'")
        assert result.is_done
        assert len(result.changes) == 1
        assert not is_alive(root)
        assert f"holds up {middle.info.backend_pid}" in result.report
        assert middle.info.backend_pid != result.changes[0].facts["pid"]
        middle.pgconn.get_result()
        middle.pgconn.get_result()
        assert is_alive(middle)


def test_a_busy_session_is_cancelled_first_and_goes_on(stock: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.orbt.remedies.queries.blockers._CANCEL_SECONDS", PATIENCE_SECONDS)
    cancelled: list[str | None] = []

    def work() -> None:
        with session(stock, "groundwork:busy") as busy:
            busy.autocommit = True
            try:
                busy.execute("WITH held AS (SELECT * FROM stock FOR UPDATE) SELECT pg_sleep(600) FROM held")
            except psycopg.errors.QueryCanceled as error:
                cancelled.append(error.sqlstate)
            cancelled.append(str(is_alive(busy)))

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: is_asleep(stock.engine), "the busy session")
    result = heal(stock)
    thread.join(PATIENCE_SECONDS)
    assert result.is_done, result.report
    assert cancelled == ["57014", "True"]


def test_work_of_ours_that_waits_is_freed_even_when_the_statement_is_not_known(stock: Database) -> None:
    with session(stock, "groundwork:stuck", _HOLD_ROW) as blocker, session(stock, "groundwork:waits") as waiter:
        waiter.execute("SELECT 1")
        waiter.pgconn.send_query(_HOLD_ROW.encode())
        until_it_waits(stock.engine, waiter.info.backend_pid)
        assert heal(stock, None).is_done
        assert not is_alive(blocker)
        waiter.pgconn.get_result()


@pytest.mark.parametrize("statement", [_UPDATE, None, "not SQL"])
def test_when_nobody_waits_nothing_is_ended(stock: Database, statement: str | None) -> None:
    with session(stock, "groundwork:sits", "SELECT * FROM stock") as idle:
        result = heal(stock, statement)
        assert result.report == "no work of ours waits for a lock"
        assert is_alive(idle)


def test_the_dry_run_names_who_would_be_ended(stock: Database) -> None:
    with session(stock, "groundwork:stuck", _HOLD_ROW) as blocker:
        time.sleep(0.2)
        scene = scene_on(stock.engine, statement=_UPDATE, parameters=_NAME, settings={"idle_seconds": 0.1})
        told = dry_run("end_blockers", scene).report
        assert "would be ended" in told
        assert is_alive(blocker)


def test_policy_can_forbid_it(stock: Database, tmp_path: Path) -> None:
    path = tmp_path / "governance" / "policies" / "remedies.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("kind: remedies\nversion: 1.0.0\nremedies: {end_blockers: {mode: never}}\n", encoding="utf-8")
    with session(stock, "groundwork:stuck", _HOLD_ROW) as blocker:
        assert run("end_blockers", scene_on(stock.engine, project=tmp_path)).report == "policy forbids it"
        assert is_alive(blocker)
