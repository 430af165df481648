"""Brings the store's schema to the version this code needs, by Alembic.

Idempotent; two callers at once wait for one another on an advisory lock.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from groundwork.store.base import SCHEMA

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 5_201_810  # advisory lock of migrations; any fixed number of ours


def migrate(engine: Engine) -> None:
    """Create or upgrade every table of the store in `engine`'s database."""
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        config = Config()
        config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
