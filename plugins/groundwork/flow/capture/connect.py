"""Connections to the source of a stream: an ordinary one, and one that speaks the replication protocol.

Both print values the same way, whatever the defaults of server and role are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import URL

from groundwork.flow.faults import database_faults
from groundwork.model.errors import RetriableError

if TYPE_CHECKING:
    from psycopg2.extras import LogicalReplicationConnection

APPLICATION = "groundwork:capture"
_OPTIONS = (
    "-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex "
    "-c client_encoding=UTF8"
)
_CONNECT_SECONDS = 10
_KEEPALIVE = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def _facts(url: URL) -> dict[str, Any]:
    return {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": str(url.password) if url.password is not None else None,
        "dbname": url.database,
        "options": _OPTIONS,
        "connect_timeout": _CONNECT_SECONDS,
        **_KEEPALIVE,
    }


@contextmanager
def source_connection(url: URL, *, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """An ordinary connection to the source. Raises: RetriableError when it cannot be made."""
    with database_faults(place(url)):
        connection = psycopg.connect(**_facts(url), application_name=APPLICATION, autocommit=autocommit)
    try:
        yield connection
    finally:
        connection.close()


def replication_connection(url: URL) -> LogicalReplicationConnection:
    """A connection that streams; the caller closes it.

    Raises: RetriableError when the server refuses it, in the server's words (they hold no secret).
    """
    import psycopg2
    from psycopg2.extras import LogicalReplicationConnection

    try:
        found: LogicalReplicationConnection = psycopg2.connect(
            **{name: value for name, value in _facts(url).items() if value is not None},
            application_name=APPLICATION,
            connection_factory=LogicalReplicationConnection,
        )
    except psycopg2.OperationalError as error:
        raise RetriableError(
            "the source does not accept a replication connection",
            where=place(url),
            found=str(error).strip().split("\n")[-1],
            next_step="see that it runs and that pg_hba.conf admits the role, then run it again",
        ) from error
    return found


def place(url: URL) -> str:
    """Host, port and database of a URL, for people."""
    return f"{url.host or 'local'}:{url.port or 5432}/{url.database}"
