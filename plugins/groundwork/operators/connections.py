"""Database engines for Airflow connection ids: the only place where a secret is looked up.

The engine is cached per process and connection id. Sessions carry an application name that starts with `groundwork`,
so that ORBT can tell our sessions from everybody else's. Airflow is imported only where the environment alone cannot
tell the connection (`environment_connection`): a command would wait for that longer than for its answer.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import ConfigError
from groundwork.settings import SCRATCH_CONNECTION

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

    from groundwork.operators.environment_connection import Address

APPLICATION_PREFIX = "groundwork"
_POOL_SIZE = 5  # connections kept per process; tasks use one or two
_CONNECT_TIMEOUT_SECONDS = 5


def url(connection_id: str) -> URL:
    """The SQLAlchemy URL of an Airflow connection to PostgreSQL; it holds the password, so it never goes to a log.

    Raises: ConfigError when Airflow knows no such connection or it is not a PostgreSQL one.
    """
    from sqlalchemy import URL

    found = _postgres(connection_id)
    return URL.create(
        "postgresql+psycopg",
        username=found.login,
        password=found.password,
        host=found.host,
        port=found.port,
        database=found.schema,
    )


def driver_arguments(connection_id: str) -> dict[str, Any]:
    """The same for `connect` of psycopg and psycopg2, with our name and our patience; raises as `url` does."""
    found = _postgres(connection_id)
    told = {
        "user": found.login,
        "password": found.password,
        "host": found.host,
        "port": found.port,
        "dbname": found.schema,
    }
    return {name: value for name, value in told.items() if value is not None} | _session()


def _postgres(connection_id: str) -> Any:
    if address := _without_airflow(connection_id):
        return address

    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get(connection_id)
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"Airflow has no connection `{connection_id}`",
            expected="a PostgreSQL connection",
            next_step=f"airflow connections add {connection_id} --conn-uri 'postgres://user:password@host/database'",
        ) from error
    if found.conn_type not in {"postgres", "postgresql"}:
        raise ConfigError(
            f"the connection `{connection_id}` is not to a PostgreSQL", expected="postgres", found=found.conn_type
        )
    return found


def _without_airflow(connection_id: str) -> Address | None:
    if "airflow" in sys.modules:  # asking it costs a task less than these imports
        return None
    from groundwork.operators.environment_connection import in_environment

    return in_environment(connection_id)


class Engines:
    """The pooled engines of this process by Airflow connection id; connections are checked before use."""

    def __init__(self) -> None:
        self._made: dict[str, Engine] = {}

    def __call__(self, connection_id: str) -> Engine:
        """The engine of a connection, made when it is asked for first; raises as `url` does."""
        if connection_id not in self._made:
            self._made[connection_id] = _made(connection_id)
        return self._made[connection_id]

    def renew(self, connection_id: str) -> Engine:
        """The engine of a connection with its address and secret as they are now; raises as `url` does."""
        before = self._made.pop(connection_id, None)
        if before is not None:
            before.dispose()
        return self(connection_id)

    def cache_clear(self) -> None:
        """Close every pool; the next look-up reads address and secret anew."""
        for made in self._made.values():
            made.dispose()
        self._made.clear()


engine = Engines()


def _made(connection_id: str) -> Engine:
    from sqlalchemy import create_engine

    return create_engine(url(connection_id), pool_pre_ping=True, pool_size=_POOL_SIZE, connect_args=_session())


def _session() -> dict[str, Any]:
    name = f"{APPLICATION_PREFIX}:{os.environ.get('AIRFLOW_CTX_DAG_ID', 'cli')}"[:63]
    return {"application_name": name, "connect_timeout": _CONNECT_TIMEOUT_SECONDS}


def scratch_engine(warehouse: str) -> Engine:
    """The engine for trials: of the Airflow connection `groundwork_scratch` when there is one, else the warehouse's."""
    return engine(SCRATCH_CONNECTION if is_known(SCRATCH_CONNECTION) else warehouse)


def is_known(connection_id: str) -> bool:
    """Whether Airflow has a connection of this id."""
    if _without_airflow(connection_id):
        return True

    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        Connection.get(connection_id)
    except AirflowNotFoundException:
        return False
    return True
