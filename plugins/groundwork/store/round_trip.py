"""Several statements in one network round trip, for reads that happen on every request.

SQLAlchemy asks the driver about each statement's result before it sends the next, which makes BEGIN, settings, query
and COMMIT four round trips; the driver's pipeline makes them one. Only the engine's pool is used of SQLAlchemy here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import Engine

Statement = tuple[str, Mapping[str, object]]


def fetch(engine: Engine, statement: Statement, *, settings: Statement | None = None) -> list[tuple[Any, ...]]:
    """All rows of the driver's `statement`, in a transaction of its own that `settings` open.

    Raises: SettingsError when the settings were refused; else what the driver or the pool raises.
    """
    lent = engine.raw_connection()
    try:
        driver: psycopg.Connection[Any] = lent.driver_connection  # type: ignore[assignment]
        try:
            return _pipelined(driver, statement, settings)
        except psycopg.Error:
            if driver.broken or driver.closed:
                lent.invalidate()
            raise
    finally:
        lent.close()


class SettingsError(Exception):
    """The settings of a transaction were refused; the driver's error is the cause."""


def _pipelined(
    driver: psycopg.Connection[Any], statement: Statement, settings: Statement | None
) -> list[tuple[Any, ...]]:
    first, rows = driver.cursor(), driver.cursor()
    try:
        with driver.pipeline():
            if settings is not None:
                first.execute(*settings)
            rows.execute(*statement)
            driver.execute("COMMIT")
        return rows.fetchall()
    except psycopg.Error as error:
        if settings is not None and first.pgresult is None and error.sqlstate is not None:
            raise SettingsError(str(error.sqlstate)) from error
        raise
