"""Within this task's process an Airflow connection id leads to another connection: hooks of any provider follow.

Where a custom secrets backend is configured, ours is put in front of it for this process; else a variable of the
process's own environment does it, which Airflow reads before it asks anybody. The secret goes nowhere else. What does
not go through Airflow's look-up (a hook made earlier, an address in code) is not redirected; neither are processes that
the task starts, where a custom backend is configured.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from groundwork.operators.tries import try_state

_log = logging.getLogger(__name__)
_VARIABLE = "AIRFLOW_CONN_"
_redirected: dict[str, str] = {}  # connection id → the one it leads to
_hidden: dict[str, str | None] = {}  # variable of the environment → what it was before


class _FrontBackend:
    """Answers for the connections that lead elsewhere, and for nothing else."""

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}

    def get_connection(self, conn_id: str, **_: Any) -> Any:
        """The connection that stands in, null when the id leads where it always did."""
        return self.connections.get(conn_id)

    def get_variable(self, key: str, **_: Any) -> None:
        """None: variables are not redirected."""


_front = _FrontBackend()


def redirect(first: str, instead: str) -> bool:
    """Let `first` lead to `instead` until `restore`, at the latest until the try ends; false, and nothing is changed,
    when that cannot be done.

    Pools of this process are closed, as `restore` does: the next look-up of an engine goes where its id leads then.
    """
    from airflow.sdk import Connection

    from groundwork.operators import connections

    connections.engine.cache_clear()
    try:
        found = Connection.get(instead)
        standing_in = Connection.from_json(found.as_json(), conn_id=first)
    except Exception as error:  # whatever keeps the alternative away: the first choice is what is left
        _log.warning("the connection `%s` cannot be looked up: %s", instead, type(error).__name__)
        return False
    try_state.at_end(restore)
    for way in (_through_backend, _through_environment):
        way(first, standing_in)
        with suppress(Exception):
            if _place(Connection.get(first)) == _place(standing_in):
                _redirected[first] = instead
                return True
        _undo(first)
    _log.warning("the connection `%s` cannot be redirected here", first)
    return False


def redirected() -> Mapping[str, str]:
    """What leads elsewhere now: connection id → the one it leads to."""
    return dict(_redirected)


def restore() -> tuple[str, ...]:
    """Let every connection id lead where it always did; those that were redirected."""
    names = tuple(_redirected)
    for name in names:
        _undo(name)
    if names:
        from groundwork.operators import connections

        connections.engine.cache_clear()
    return names


def _undo(first: str) -> None:
    _redirected.pop(first, None)
    _front.connections.pop(first, None)
    name = _VARIABLE + first.upper()
    if name in _hidden:
        before = _hidden.pop(name)
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _through_backend(first: str, standing_in: Any) -> None:
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    backends: list[Any] = (
        ensure_secrets_backend_loaded()
    )  # the process's own list, where a custom backend is configured
    if _front not in backends:
        backends.insert(0, _front)
    _front.connections[first] = standing_in


def _through_environment(first: str, standing_in: Any) -> None:
    name = _VARIABLE + first.upper()
    _hidden.setdefault(name, os.environ.get(name))
    os.environ[name] = standing_in.as_json()


def _place(connection: Any) -> tuple[Any, ...]:
    return (connection.conn_type, connection.host, connection.port, connection.schema, connection.login)
