"""How a source reaches what lies outside the warehouse: files of the project, object storage, named connections.

The engine knows no Airflow. Operators hand in resources that ask Airflow's connections and its object storage; the
command line and tests hand in their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundwork.flow.sources.kept_answers import KeptAnswers
from groundwork.model.errors import ConfigError

__all__ = ["ConnectionFacts", "Resources"]


@dataclass(frozen=True, kw_only=True)
class ConnectionFacts:
    """One named connection; `kind` is Airflow's word (`postgres`, `mysql`, `sqlite`, `http`, `aws`, …).

    The password is never shown by `repr`.
    """

    name: str
    kind: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def no_connection(name: str) -> ConnectionFacts:
    """What `Resources` has when nobody handed in connections: none. Raises ConfigError."""
    raise ConfigError(
        "the source names a connection, and there are none here",
        where=f"connection {name}",
        expected="an Airflow connection of that name",
        next_step="run the load as a task of Airflow, or hand the connection in",
    )


def universal_storage(path: str, connection: str | None) -> Any:
    """`path` (a URL such as `s3://bucket/key` or `file:///folder`) as a path object that can be opened and listed.

    Raises: ConfigError when it needs a connection, which only Airflow's object storage knows.
    """
    from upath import UPath

    if connection is not None:
        no_connection(connection)
    return UPath(path)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a source may use: the folder of the project, connections by name, object storage by URL.

    `answers` keeps the last good answer of each API, null keeps none; `served` names connections whose API is away and
    whose kept answer is read instead.
    """

    project: Path
    connection: Callable[[str], ConnectionFacts] = no_connection
    storage: Callable[[str, str | None], Any] = universal_storage
    answers: KeptAnswers | None = None
    served: frozenset[str] = frozenset()
