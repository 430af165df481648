"""Whose failure an exception is: the database or the service that its driver was talking to.

A task may use several: a load reads an API and writes the warehouse, and the API's reset is no failure of the
warehouse. What no driver raised is nobody's. Drivers are known by the names of their modules, so none is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from groundwork.orbt.classify import chain_of
from groundwork.orbt.tries.target_name import CONNECTION, PORTS, source_target

_DATABASE_DRIVERS = {
    "psycopg", "psycopg2", "psycopg_pool", "asyncpg", "sqlalchemy", "pymysql", "MySQLdb", "mysql", "oracledb", "pyodbc",
    "snowflake", "adbc_driver_manager",
}  # fmt: skip
_HTTP_DRIVERS = {"httpx", "httpcore", "requests", "urllib3", "aiohttp"}
_HTTP_KINDS = {"http", "https"}
_TOLD_PORT = re.compile(r"port (\d+)")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A connection that a task uses; `kind` is Airflow's word for what it leads to, null when that is not known."""

    connection_id: str
    kind: str | None = None
    host: str | None = None
    port: int | None = None

    @property
    def is_http(self) -> bool:
        """Whether it leads to a service over HTTP."""
        return self.kind in _HTTP_KINDS

    @property
    def target(self) -> str:
        """The name of its breaker."""
        return f"{CONNECTION}{self.connection_id}"


def culprit(error: BaseException, candidates: Callable[[], Sequence[Candidate]]) -> str | None:
    """The target whose driver raised `error`, first in the chain of causes; null when no driver did.

    `candidates`, the task's own connection first, are only looked up when a driver did raise.
    """
    for each in chain_of(error):
        told = getattr(each, "target_connection", None)
        if isinstance(told, str) and told:
            return f"{CONNECTION}{told}"
        driver = type(each).__module__.partition(".")[0]
        if driver in _HTTP_DRIVERS:
            return _service(each, candidates())
        if driver in _DATABASE_DRIVERS:
            return _database(each, candidates())
    return None


def _service(error: BaseException, candidates: Sequence[Candidate]) -> str | None:
    services = [each for each in candidates if each.is_http]
    address = _address(error)
    if address is None:
        return services[0].target if len(services) == 1 else None
    found = urlsplit(address)
    scheme, host = found.scheme or "http", found.hostname
    port = found.port or PORTS.get(scheme)
    for each in services:
        if _host(each) == host and (each.port or PORTS.get(scheme)) == port:
            return each.target
    return source_target(address)


def _database(error: BaseException, candidates: Sequence[Candidate]) -> str | None:
    databases = [each for each in candidates if not each.is_http]
    if len(databases) > 1:
        ports = set(map(int, _TOLD_PORT.findall(str(error))))
        named = [each for each in databases if (each.port or 5432) in ports and each.host and each.host in str(error)]
        named = named or [each for each in databases if (each.port or 5432) in ports]
        if len(named) == 1:
            return named[0].target
    return databases[0].target if databases else None


def _address(error: BaseException) -> str | None:
    try:
        found = getattr(getattr(error, "request", None), "url", None)
    except RuntimeError:  # httpx, when the exception was made without a request
        return None
    return str(found) if found is not None else None


def _host(candidate: Candidate) -> str | None:
    host = candidate.host or ""
    return urlsplit(host if "://" in host else f"//{host}").hostname
