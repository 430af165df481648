"""Database engines for Airflow connection ids: the only place where a secret is looked up.

The engine is cached per process and connection id. Sessions carry an application name that starts with `groundwork`,
so that ORBT can tell our sessions from everybody else's.
"""

from __future__ import annotations

import os
from functools import cache

from sqlalchemy import URL, Engine, create_engine

from groundwork.model.errors import ConfigError
from groundwork.settings import SCRATCH_CONNECTION

APPLICATION_PREFIX = "groundwork"
_POOL_SIZE = 5  # connections kept per process; tasks use one or two
_CONNECT_TIMEOUT_SECONDS = 5


def url(connection_id: str) -> URL:
    """The SQLAlchemy URL of an Airflow connection to PostgreSQL; it holds the password, so it never goes to a log.

    Raises: ConfigError when Airflow knows no such connection or it is not a PostgreSQL one.
    """
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
    return URL.create(
        "postgresql+psycopg",
        username=found.login,
        password=found.password,
        host=found.host,
        port=found.port,
        database=found.schema,
    )


@cache
def engine(connection_id: str) -> Engine:
    """The pooled engine of an Airflow connection; raises as `url` does. Connections are checked before use."""
    name = f"{APPLICATION_PREFIX}:{os.environ.get('AIRFLOW_CTX_DAG_ID', 'cli')}"[:63]
    return create_engine(
        url(connection_id),
        pool_pre_ping=True,
        pool_size=_POOL_SIZE,
        connect_args={"application_name": name, "connect_timeout": _CONNECT_TIMEOUT_SECONDS},
    )


def scratch_engine(warehouse: str) -> Engine:
    """The engine for trials: of the Airflow connection `groundwork_scratch` when there is one, else the warehouse's."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        Connection.get(SCRATCH_CONNECTION)
    except AirflowNotFoundException:
        return engine(warehouse)
    return engine(SCRATCH_CONNECTION)
