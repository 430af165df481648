"""The migrations make exactly the tables that the code declares."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from groundwork.store.base import SCHEMA
from groundwork.store.migrate import migrate
from groundwork.store.tables import complete_metadata
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


def test_migrations_and_code_agree(database: Database) -> None:
    migrate(database.engine)
    options = {
        "include_schemas": True,
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, parents: (
            name == SCHEMA if kind == "schema" else not (kind == "table" and name == "alembic_version")
        ),
    }
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, complete_metadata()) == []


def test_two_at_once_wait_for_one_another(database: Database) -> None:
    engines = [create_engine(database.url) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, engines))
    assert inspect(database.engine).has_table("audit_event", schema=SCHEMA)
    for engine in engines:
        engine.dispose()


def test_comments_reach_the_database(database: Database) -> None:
    migrate(database.engine)
    with database.engine.connect() as connection:
        found = connection.execute(text("SELECT col_description('groundwork.audit_event'::regclass, 1)")).scalar_one()
    assert found == "1, 2, 3, … without a gap"
