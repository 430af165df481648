"""Connections to the source of a stream, all with the same settings.

They print values the same way, whatever the defaults of server and role are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL

from groundwork.flow.faults import database_faults

APPLICATION = "groundwork:capture"
_OPTIONS = (
    "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex "
    "-c client_encoding=UTF8"
)
_CONNECT_SECONDS = 10
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def connection_facts(url: URL) -> dict[str, Any]:
    """What libpq needs to connect; it holds the password, so it never goes to a log."""
    return {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": str(url.password) if url.password is not None else None,
        "dbname": url.database,
        "options": _OPTIONS,
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": APPLICATION,
        **_KEEPALIVE,
    }


@contextmanager
def source_connection(url: URL, *, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """An ordinary connection to the source. Raises: RetriableError when it cannot be made."""
    with database_faults(place(url)):
        connection = psycopg.connect(**connection_facts(url), autocommit=autocommit)
    try:
        yield connection
    finally:
        connection.close()


def place(url: URL) -> str:
    """Host, port and database of a URL, for people."""
    return f"{url.host or 'local'}:{url.port or 5432}/{url.database}"
