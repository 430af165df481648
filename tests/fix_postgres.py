"""A real PostgreSQL for the test session, and fresh databases in it."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import Engine, create_engine

from groundwork.local.postgres import EmbeddedPostgres, free_port

_ROLE = "groundwork_test"
_PASSWORD = "groundwork-test"  # a throw-away server on loopback
_START_SECONDS = 240  # with a machine that has much else to do


@dataclass(frozen=True, kw_only=True)
class Database:
    """A fresh database owned by a non-superuser that may make roles, as in the local deployment."""

    name: str
    url: str
    engine: Engine
    server: EmbeddedPostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The server; it lives as long as the test session."""
    home = Path(tempfile.mkdtemp(prefix="groundwork-test-"))
    home.chmod(0o755)
    server = EmbeddedPostgres(home=home / "postgres", port=free_port())
    server.start(_START_SECONDS)
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # tests kill the server, not the machine: nothing is lost
        connection.execute("ALTER SYSTEM SET autovacuum = off")  # plans and statistics change when a test says so only
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(sql.Identifier(_ROLE), sql.Literal(_PASSWORD))
        )
    yield server
    server.stop("immediate")
    shutil.rmtree(server.place, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One fresh, empty database per test; dropped after."""
    yield from _fresh_database(postgres)


@pytest.fixture(scope="module")
def module_database(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """One fresh database for all tests of a module that build on one another's data."""
    yield from _fresh_database(postgres)


def _fresh_database(server: EmbeddedPostgres) -> Iterator[Database]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    with server.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(_ROLE)))
    url = server.url(_ROLE, _PASSWORD, name)
    engine = create_engine(url)
    yield Database(name=name, url=url, engine=engine, server=server)
    engine.dispose()
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
