"""A database for one trial: made fresh, and dropped afterwards whatever happened.

Its name tells when it was made, so that the next trial drops what a killed one left behind.
"""

# groundwork: allow-file own_session,own_engine,raw_sql,direct_driver makes and drops databases; no repository does

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from groundwork.catalog.session import run
from groundwork.model.errors import ConfigError, RetriableError

PREFIX = "groundwork_trial_"
_INSUFFICIENT_PRIVILEGE = "42501"
_ABANDONED_SECONDS = 6 * 3600  # longer than backup and restoration may take
_OURS = text(
    "SELECT datname FROM pg_database WHERE datname LIKE :pattern "
    "AND pg_get_userbyid(datdba) = current_user AND NOT datistemplate"
)


@contextmanager
def scratch_database(maker: Engine) -> Iterator[Engine]:
    """An engine on a fresh database that the role of `maker` owns.

    Raises: ConfigError when the role may not make databases; RetriableError when the server does not answer.
    """
    _drop_abandoned(maker)
    name = f"{PREFIX}{int(time.time())}_{uuid.uuid4().hex[:12]}"
    _run(maker, sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)).as_string())
    try:
        engine = create_engine(maker.url.set(database=name), poolclass=NullPool)
        try:
            yield engine
        finally:
            engine.dispose()
    finally:
        _drop(maker, name)


def _drop_abandoned(maker: Engine) -> None:
    """Drop our trials' databases that are older than any trial can be."""
    try:
        with maker.connect() as connection:
            pattern = f"{PREFIX.replace('_', chr(92) + '_')}%"
            names: Sequence[str] = connection.execute(_OURS, {"pattern": pattern}).scalars().all()
    except DBAPIError as error:
        raise _unreachable(maker, error) from error
    for name in names:
        made = name.removeprefix(PREFIX).partition("_")[0]
        if made.isdecimal() and int(made) < time.time() - _ABANDONED_SECONDS:
            _drop(maker, name)


def _drop(maker: Engine, name: str) -> None:
    _run(maker, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)).as_string())


def _run(maker: Engine, statement: str) -> None:
    try:
        with maker.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            run(connection, statement)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
            raise ConfigError(
                "the role for trials may not make a database",
                where=f"{maker.url.host}:{maker.url.port}, role {maker.url.username}",
                expected="the attribute CREATEDB",
                found=type(error.orig).__name__,
                next_step="as superuser: ALTER ROLE … CREATEDB, or an Airflow connection `groundwork_scratch` to a "
                "server where its role may make databases",
            ) from error
        raise _unreachable(maker, error) from error


def _unreachable(maker: Engine, error: DBAPIError) -> RetriableError:
    return RetriableError(
        "a database for a trial could not be made or dropped",
        where=f"{maker.url.host}:{maker.url.port}",
        found=type(error.orig).__name__,
        next_step="see whether the server answers, then measure the gate again",
    )
