"""Brings the schemas of Airflow's database and of Groundwork's store to what the installed code needs.

A current schema is recognised without importing Airflow, which alone would cost several seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import psycopg
from sqlalchemy import create_engine, inspect

from groundwork.local.databases import AIRFLOW, STORE, database_url
from groundwork.local.environment import process_environment
from groundwork.local.layout import Layout, write_private
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.local.process import tail
from groundwork.model.errors import FatalError

_WITHIN_SECONDS = 300  # about 8 s on an idle machine with two processors


def migrate_airflow(layout: Layout, server: EmbeddedPostgres) -> bool:
    """Migrate Airflow's database; false when the mark of the last migration fits both the code and the database.

    Raises: FatalError when `airflow db migrate` fails.
    """
    mark = layout.run / "airflow-migrated.json"
    state = _airflow_state(server)
    if state["revision"] and mark.exists() and json.loads(mark.read_text(encoding="utf-8")) == state:
        return False
    log = layout.logs / "airflow-migrate.log"
    with log.open("w", encoding="utf-8") as sink:
        done = subprocess.run(
            (sys.executable, "-m", "airflow", "db", "migrate"),
            env=process_environment(layout),
            cwd=layout.airflow,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            timeout=_WITHIN_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        raise FatalError("`airflow db migrate` failed", where=str(log), found=tail(log))
    write_private(mark, json.dumps(_airflow_state(server)))
    return True


def migrate_store(layout: Layout, port: int) -> bool:
    """Migrate the store; false when that changed no table."""
    from groundwork.store.base import SCHEMA  # imports every table of the store, with Alembic
    from groundwork.store.migrate import migrate

    engine = create_engine(database_url(layout, port, STORE))
    try:
        before = set(inspect(engine).get_table_names(schema=SCHEMA))
        migrate(engine)
        return set(inspect(engine).get_table_names(schema=SCHEMA)) != before
    finally:
        engine.dispose()


def _airflow_state(server: EmbeddedPostgres) -> dict[str, str | None]:
    with server.connect(AIRFLOW) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
    return {"airflow": version("apache-airflow-core"), "revision": str(row[0]) if row else None}
