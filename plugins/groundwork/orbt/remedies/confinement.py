"""The sessions of one run: all bear its name, none opens after it was stopped, and they can be ended from outside.

A thread cannot be ended, but what it does on a server can: its sessions are ended there by name.
"""

# groundwork: allow-file raw_sql,own_session,own_engine a run's sessions are named, and ended by name from another one

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError

from groundwork.orbt.remedies.connections.sessions import APPLICATION_PREFIX

_END = text(
    """
    SELECT pg_terminate_backend(pid) AS is_ended FROM pg_stat_activity
    WHERE application_name = :name AND usename = current_user AND pid <> pg_backend_pid()
    """
)
_log = logging.getLogger(__name__)


class RemedyStoppedError(Exception):
    """The run is over: its time was up or its lease is lost; nothing may be changed any more."""


class Confinement:
    """Engines for one run over the pools' ways to connect, never over the pools themselves.

    `name` is the application name of every session. Read-only sessions cannot change anything (a dry run).
    """

    def __init__(self, name: str, *, is_read_only: bool = False) -> None:
        self.name = name
        self._is_read_only = is_read_only
        self._is_stopped = threading.Event()
        self._lock = threading.Lock()
        self._engines: dict[Engine, Engine] = {}
        self._is_closing = False

    def engine(self, target: Engine) -> Engine:
        """An engine to the same server with the same login; dropping its pool drops the other one's too."""
        if target.dialect.name != "postgresql":
            return target
        with self._lock:
            if target not in self._engines:
                self._engines[target] = self._made(target)
            return self._engines[target]

    def engine_of(self, look_up: Callable[[str], Engine]) -> Callable[[str], Engine]:
        """The same for engines that are looked up by connection id."""
        return lambda connection_id: self.engine(look_up(connection_id))

    @property
    def is_stopped(self) -> bool:
        """Whether sessions may not be opened any more."""
        return self._is_stopped.is_set()

    def stop(self) -> None:
        """End every session of the run and let none be opened; a server that cannot be reached has none to end."""
        self._is_stopped.set()
        with self._lock:
            targets = list(self._engines)
        for target in targets:
            with suppress(SQLAlchemyError, OSError):
                end_sessions(target, self.name)

    def close(self) -> None:
        """Close what is open."""
        self._is_closing = True
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()

    def _made(self, target: Engine) -> Engine:
        engine = create_engine(target.url, pool=target.pool.recreate())
        event.listen(engine, "connect", self._name_session)

        def drop(_: Engine) -> None:
            if not self._is_closing:
                target.dispose()

        event.listen(engine, "engine_disposed", drop)
        return engine

    def _name_session(self, session: Any, _record: Any) -> None:
        if self.is_stopped:
            session.close()
            raise RemedyStoppedError("the run was stopped")
        settings = {"application_name": self.name}
        if self._is_read_only:
            settings["default_transaction_read_only"] = "on"
        was_autocommit, session.autocommit = session.autocommit, True
        with session.cursor() as cursor:
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        session.autocommit = was_autocommit


def end_sessions(target: Engine, name: str) -> int:
    """End the sessions of our own login with this application name; how many there were.

    Raises: SQLAlchemyError when the server cannot be reached.
    """
    watchdog = create_engine(target.url, pool=target.pool.recreate())
    try:
        with watchdog.connect() as connection, connection.begin():
            connection.execute(text("SET LOCAL statement_timeout = '5s'"))
            ended = sum(bool(row.is_ended) for row in connection.execute(_END, {"name": name}))
    finally:
        watchdog.dispose()
    if ended:
        _log.warning("ended %s session(s) named %s", ended, name)
    return ended


def unreachable(why: str) -> Engine:
    """An engine for a target that has none: every connection raises an OSError that says why."""

    def refuse() -> Any:
        raise ConnectionError(why)

    return create_engine("postgresql+psycopg://", creator=refuse)


def session_name(token: str) -> str:
    """The application name of the sessions in which the run `token` works."""
    return f"{APPLICATION_PREFIX}:remedy:{token}"


def lock_session_name(token: str) -> str:
    """The application name of the session that holds the target's lock for the run `token`."""
    return f"{APPLICATION_PREFIX}:remedylock:{token}"
