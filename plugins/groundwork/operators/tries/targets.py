"""Which connections a task uses, as far as it says so itself, and whose failure its exception was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from groundwork.settings import STORE_CONNECTION

_log = logging.getLogger(__name__)
_OWN = ("connection_id", "conn_id")  # what a task mainly works on
_ENDINGS = ("conn_id", "connection_id")
_NOT_TARGETS = {"store_connection_id"}
_ADDRESS = "://"
_HTTP_KINDS = {"http", "https"}


def connections_of(task: Any, default: str | None = None) -> tuple[str, ...]:
    """The connection ids that a task names, what it mainly works on first; `default` when it names none.

    These are attributes whose names end with `conn_id` or `connection_id`, and what its method `source_connections`
    returns. Never raises.
    """
    return _connections(_named(task), default)


def breakers_of(task: Any, default: str, sources: Sequence[str] = ()) -> tuple[str, ...]:
    """The names of the breakers of what a task uses: its connections, and the addresses among what it names and in
    `sources`. Never raises.
    """
    from groundwork.orbt.tries.target_name import CONNECTION, source_target

    named = _named(task)
    services = map(source_target, (each for each in (*sources, *named) if _ADDRESS in each))
    return (*(f"{CONNECTION}{name}" for name in _connections(named, default)), *filter(None, services))


def _connections(named: Sequence[str], default: str | None) -> tuple[str, ...]:
    return tuple(name for name in named if _ADDRESS not in name) or ((default,) if default else ())


def _named(task: Any) -> tuple[str, ...]:
    """What a task says that it uses: connection ids, and addresses of services."""
    if task is None:
        return ()
    found = [getattr(task, name, None) for name in _OWN]
    found += [value for name, value in vars(task).items() if name.endswith(_ENDINGS) and name not in _NOT_TARGETS]
    try:
        found += task.source_connections()
    except AttributeError:
        pass
    except Exception:  # what cannot be told now is told by the task itself in a moment
        _log.debug("the sources of %s are not known", getattr(task, "task_id", "a task"), exc_info=True)
    names = [value for value in dict.fromkeys(found) if isinstance(value, str) and value]
    return tuple(name for name in names if name != STORE_CONNECTION and "{{" not in name)


def target_of(error: BaseException, task: Any, default: str | None) -> str | None:
    """The target whose driver raised the error, by `groundwork.orbt.tries.attribution`, or null. Never raises."""
    from groundwork.orbt.tries.attribution import culprit

    try:
        return culprit(error, lambda: [_candidate(name) for name in connections_of(task, default)])
    except Exception:  # an attribution half known is no reason to lose the strike
        _log.debug("whose failure it was is not known", exc_info=True)
        return None


def kind_of(connection_id: str) -> str | None:
    """`http` for connections to services; null for others, and when it cannot be looked up."""
    kind = _candidate(connection_id).kind
    return "http" if kind in _HTTP_KINDS else None


def _candidate(connection_id: str) -> Any:
    from airflow.sdk import Connection

    from groundwork.orbt.tries.attribution import Candidate

    try:
        found = Connection.get(connection_id)
    except Exception:  # the look-up may be what is broken
        return Candidate(connection_id=connection_id)
    return Candidate(connection_id=connection_id, kind=found.conn_type, host=found.host, port=found.port)
