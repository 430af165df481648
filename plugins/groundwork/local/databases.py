"""The three databases of the one-machine deployment, each owned by a role of its own without superuser rights.

Owns roles and databases, not their content. The warehouse's role may make roles: contract roles live in the database.
Passwords leave this process only as SCRAM verifiers, so that no statement, log or process list can show one.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from sqlalchemy import URL

from groundwork.local.layout import Layout
from groundwork.local.postgres import EmbeddedPostgres

AIRFLOW, STORE, WAREHOUSE = "airflow", "groundwork", "warehouse"
DATABASES = (AIRFLOW, STORE, WAREHOUSE)  # a database and its owner have the same name
_MAY_CREATE = {WAREHOUSE}  # roles for access, and the scratch database in which release gates restore a backup


def create_databases(server: EmbeddedPostgres, layout: Layout) -> list[str]:
    """Make what is missing of roles and databases and return the names of the databases made; idempotent.

    A role's password is set to the kept one only when logging in with that one fails.
    """
    made = []
    with server.connect() as connection:
        for name in DATABASES:
            _ensure_role(connection, server, name, layout.secret(password_name(name)))
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
                connection.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
                made.append(name)
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        connection.execute("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
    return made


def password_name(database: str) -> str:
    """Name of the secret that holds the password of the database's owner."""
    return f"postgres-{database}"


def database_url(layout: Layout, port: int, database: str, driver: str = "psycopg") -> URL:
    """The SQLAlchemy URL of a database for its owner; it holds the password, so it never goes to a log."""
    return URL.create(
        f"postgresql+{driver}",
        username=database,
        password=layout.secret(password_name(database)),
        host="127.0.0.1",
        port=port,
        database=database,
    )


def _ensure_role(connection: psycopg.Connection, server: EmbeddedPostgres, name: str, password: str) -> None:
    rights = sql.SQL("LOGIN NOSUPERUSER NOREPLICATION NOBYPASSRLS {}").format(
        sql.SQL("CREATEROLE CREATEDB" if name in _MAY_CREATE else "NOCREATEROLE NOCREATEDB")
    )
    if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name):
        connection.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), rights))
    connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), rights))
    if not _can_log_in(server, name, password):
        verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier)))


def _can_log_in(server: EmbeddedPostgres, name: str, password: str) -> bool:
    try:
        psycopg.connect(
            host="127.0.0.1", port=server.port, user=name, password=password, dbname=name, connect_timeout=5
        ).close()
    except psycopg.OperationalError:
        return False
    return True


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(sql.SQL(query), (name,)).fetchone() is not None
