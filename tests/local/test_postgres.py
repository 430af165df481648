"""The embedded server starts whatever was left behind, and the databases are there, private and made once."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from groundwork.local.databases import DATABASES, create_databases, database_url, password_name
from groundwork.local.layout import Layout
from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.model.errors import ConfigError
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def layout() -> Iterator[Layout]:
    folder = Path(tempfile.mkdtemp(prefix="groundwork-test-"))
    made = Layout(project=folder / "project", home=folder / "home")
    made.prepare()
    yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(layout: Layout) -> Iterator[EmbeddedPostgres]:
    """A server of its own below a private folder, which these tests kill."""
    made = EmbeddedPostgres(home=layout.postgres, port=free_port())
    made.start(PATIENCE_SECONDS)
    yield made
    made.stop("immediate")
    shutil.rmtree(made.place, ignore_errors=True)


@pytest.fixture
def running(server: EmbeddedPostgres, layout: Layout) -> EmbeddedPostgres:
    server.start(PATIENCE_SECONDS)
    create_databases(server, layout)
    return server


def _connect(layout: Layout, server: EmbeddedPostgres, user: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=server.port, user=user, password=layout.secret(password_name(user)), dbname=database
    )


def test_it_knows_since_when_it_runs(running: EmbeddedPostgres, tmp_path: Path) -> None:
    with running.connect() as connection:
        row = connection.execute("SELECT extract(epoch FROM pg_postmaster_start_time())::float8").fetchone()
    assert row is not None
    assert running.started_at() == pytest.approx(row[0], abs=60)
    assert EmbeddedPostgres(home=tmp_path, port=1).started_at() == 0


def test_making_databases_again_makes_nothing(running: EmbeddedPostgres, layout: Layout) -> None:
    assert create_databases(running, layout) == []


def test_owners_are_no_superusers_and_only_the_warehouse_makes_roles_and_databases(running: EmbeddedPostgres) -> None:
    query = "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = ANY(%s) ORDER BY 1"
    with running.connect() as connection:
        rows = connection.execute(query, [list(DATABASES)]).fetchall()
    assert rows == [
        ("airflow", False, False, False),
        ("groundwork", False, False, False),
        ("warehouse", False, True, True),
    ]


@pytest.mark.parametrize("user", DATABASES)
@pytest.mark.parametrize("database", [*DATABASES, "postgres"])
def test_each_owner_reaches_its_own_database_only(
    running: EmbeddedPostgres, layout: Layout, user: str, database: str
) -> None:
    if user == database:
        with _connect(layout, running, user, database) as connection:
            connection.execute("CREATE TABLE public.probe (n integer)")
            connection.rollback()
    else:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            _connect(layout, running, user, database)


def test_a_password_that_was_changed_by_hand_is_set_back(running: EmbeddedPostgres, layout: Layout) -> None:
    with running.connect() as connection:
        connection.execute("ALTER ROLE groundwork PASSWORD 'other'")
    with pytest.raises(psycopg.OperationalError):
        _connect(layout, running, "groundwork", "groundwork")
    create_databases(running, layout)
    _connect(layout, running, "groundwork", "groundwork").close()


def test_no_password_stands_in_process_list_or_log(running: EmbeddedPostgres, layout: Layout) -> None:
    with running.connect() as connection:  # every statement is logged, and the roles are made once more
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP DATABASE warehouse")
        connection.execute("DROP ROLE warehouse")
    assert create_databases(running, layout) == ["warehouse"]
    passwords = [layout.secret(password_name(name)) for name in DATABASES] + [running.superuser_password]
    log = running.log.read_text()
    assert "CREATE ROLE" in log
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    for password in passwords:
        assert password not in log
        assert not any(password in line for line in lines)


def test_the_url_hides_the_password_when_it_is_shown(layout: Layout) -> None:
    url = database_url(layout, 1, "warehouse")
    assert layout.secret("postgres-warehouse") not in str(url)


def test_a_killed_server_starts_again(running: EmbeddedPostgres, layout: Layout) -> None:
    with _connect(layout, running, "warehouse", "warehouse") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n integer)")
    before = running.pid()
    running.kill()
    assert running.start(PATIENCE_SECONDS)
    assert running.pid() not in (None, before)
    with _connect(layout, running, "warehouse", "warehouse") as connection:
        connection.execute("SELECT FROM kept")


def test_a_lock_file_with_a_reused_process_id_is_no_obstacle(running: EmbeddedPostgres) -> None:
    running.stop()
    lines = [str(os.getpid()), str(running.data), "0", str(running.port), "", "127.0.0.1", "0 0", "ready"]
    (running.data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert running.pid() is None
    assert running.start(PATIENCE_SECONDS)


def test_stopping_twice_is_fine(running: EmbeddedPostgres) -> None:
    assert running.stop()
    assert not running.stop()


def test_a_taken_port_is_told(running: EmbeddedPostgres) -> None:
    running.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = EmbeddedPostgres(home=running.home, port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="taken"):
            other.start()


def test_a_new_port_moves_a_running_server(running: EmbeddedPostgres) -> None:
    moved = EmbeddedPostgres(home=running.home, port=free_port())
    assert moved.start(PATIENCE_SECONDS)
    assert moved.running_port() == moved.port
    assert running.start(PATIENCE_SECONDS)
    assert running.running_port() == running.port


def test_an_interrupted_first_start_is_made_again(tmp_path: Path) -> None:
    server = EmbeddedPostgres(home=tmp_path / "postgres", port=free_port())
    try:
        server.home.mkdir()
        server.data.mkdir(parents=True)
        (server.data / "base").mkdir()
        assert server.start(PATIENCE_SECONDS)
    finally:
        server.stop("immediate")
        shutil.rmtree(server.place, ignore_errors=True)


def test_a_server_that_recovers_is_waited_for(running: EmbeddedPostgres) -> None:
    with running.connect() as connection:
        connection.execute("CREATE TABLE filler AS SELECT n, repeat('x', 500) AS t FROM generate_series(1, 100000) n")
    running.kill()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(running.start, PATIENCE_SECONDS)
        while not running.is_running() and not first.done():
            time.sleep(0.005)
        assert running.start(PATIENCE_SECONDS) is False
        with running.connect() as connection:
            assert connection.execute("SELECT count(*) FROM filler").fetchone() == (100_000,)
        assert first.result() is True
