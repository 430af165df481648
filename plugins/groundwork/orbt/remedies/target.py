"""The target of a run: its own lock, so that two stores cannot run a remedy twice, and proof that it is right."""

# groundwork: allow-file raw_sql,own_session locks and looks at the server a remedy is going to change

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from groundwork.orbt.remedies.confinement import Confinement, lock_session_name
from groundwork.orbt.remedies.limited import DeadlineError, within
from groundwork.orbt.remedies.remedy import Remedy, RemedyRefusedError
from groundwork.store.target_identity import Identity, TargetIdentities

_log = logging.getLogger(__name__)
_TARGET_SECONDS = 20.0  # for reaching and locking it: a server that takes longer is as good as away
_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_DATABASE = text(
    "SELECT datname, oid, pg_is_in_recovery() AS is_standby FROM pg_database WHERE datname = current_database()"
)
_CLUSTER = text("SELECT system_identifier::text FROM pg_control_system()")


@contextmanager
def held(
    remedy: Remedy, target: Engine, connection_id: str, token: str, store: Engine | None
) -> Iterator[Identity | None]:
    """The target, locked for this remedy and known to be the one that the connection id has always meant.

    A remedy that changes nothing may go on without: the target may be what is away, and then the identity is null.
    Raises: RemedyRefusedError when another run holds it, it is a standby or another database; SQLAlchemyError or
    OSError when a remedy that changes something cannot reach it.
    """
    guard = Confinement(lock_session_name(token))
    connections: list[Connection] = []
    found: list[Identity] = []

    def take() -> None:
        connection = _connected(guard.engine(target), is_needed=remedy.is_writing)
        if connection is None:
            return
        connections.append(connection)
        if not connection.execute(_LOCK, {"key": _key(remedy.name)}).scalar_one():
            raise RemedyRefusedError("the remedy is running there already")
        found.append(_known(connection, remedy, connection_id, store))

    try:
        try:
            within(_TARGET_SECONDS, guard, take)
        except DeadlineError:
            if remedy.is_writing:
                raise
        yield found[0] if found else None
    finally:
        for connection in connections:
            connection.close()
        guard.close()


def look(connection: Connection) -> Identity:
    """Which database this is."""
    row = connection.execute(_DATABASE).one()
    cluster: str | None = None
    with suppress(DBAPIError):  # a role may be denied it
        cluster = connection.execute(_CLUSTER).scalar_one()
    return Identity(database=row.datname, database_oid=row.oid, system_identifier=cluster)


def _connected(engine: Engine, *, is_needed: bool) -> Connection | None:
    if engine.dialect.name != "postgresql":
        if is_needed:
            raise RemedyRefusedError(f"it changes PostgreSQL only, and this is {engine.dialect.name}")
        return None
    try:
        return engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except Exception as away:  # the look-up of a connection can fail with whatever is down
        if is_needed:
            raise
        _log.info("the target cannot be locked: %s", type(away).__name__)
        return None


def _known(connection: Connection, remedy: Remedy, connection_id: str, store: Engine | None) -> Identity:
    found = look(connection)
    if remedy.is_writing and connection.execute(_DATABASE).one().is_standby:
        raise RemedyRefusedError("this is a standby, which cannot be changed")
    expected = _remembered(store, connection_id, found)
    if remedy.is_writing and expected is None:
        raise RemedyRefusedError("whether this is the right database cannot be proved while the store is away")
    if remedy.is_writing and expected is not None and not expected.is_same(found):
        raise RemedyRefusedError(
            f"another database stands behind `{connection_id}`: expected {expected}, found {found}; "
            f"when that is right: groundwork remedies trust {connection_id}"
        )
    return found


def _remembered(store: Engine | None, connection_id: str, found: Identity) -> Identity | None:
    if store is None:
        return None
    try:
        return TargetIdentities(store).remember(connection_id, found)
    except (SQLAlchemyError, OSError):
        return None


def _key(remedy: str) -> int:
    digest = hashlib.sha256(f"groundwork remedy {remedy}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
