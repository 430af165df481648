"""Airflow's REST API, asked from inside a task or a command, where Airflow's own database is out of reach.

By the Airflow connection `airflow_api` (HTTP, host, port, login, password). Without it there is no API to ask, and
callers take another way or say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.settings import AIRFLOW_API_CONNECTION

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 20
_MOST_POOLS = 1000


def pool_names() -> frozenset[str] | None:
    """The names of Airflow's pools, or null when there is no connection to ask by.

    Raises: ConfigError when the API does not let us; RetriableError when it is away.
    """
    if not has_api():
        return None
    with api_session("to tell its pools") as client:
        found = client.get("/api/v2/pools", params={"limit": _MOST_POOLS}).raise_for_status()
    return frozenset(pool["name"] for pool in found.json()["pools"])


def has_api() -> bool:
    """Whether there is a connection to ask the API by."""
    return _address() is not None


def instance_path(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """The address of a task instance below the API's base; `map_index` -1 stands for one that is not mapped."""
    parts = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
    mapped = "" if map_index < 0 else f"/{map_index}"
    return "/api/v2/" + "/".join(quote(part, safe="") for part in parts) + mapped


@contextmanager
def api_session(what: str) -> Iterator[httpx.Client]:
    """A client that is logged in; errors of HTTP become ours, `what` says what was refused.

    Raises: ConfigError when there is no connection or the API does not let us; RetriableError when it is away.
    """
    import httpx

    address = _address()
    if address is None:
        raise ConfigError(
            f"there is no connection to Airflow's API {what}",
            expected=f"the Airflow connection `{AIRFLOW_API_CONNECTION}`",
            next_step=f"airflow connections add {AIRFLOW_API_CONNECTION} --conn-type http --conn-host … --conn-login …",
        )
    base, user, password = address
    try:
        with httpx.Client(base_url=base, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            token = client.post("/auth/token", json={"username": user, "password": password})
            token.raise_for_status()
            client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
            yield client
    except httpx.HTTPStatusError as error:
        raise ConfigError(
            f"Airflow's API refused {what}",
            where=f"{error.request.method} {error.request.url.path}",
            found=f"{error.response.status_code} {error.response.text[:300]}",
            next_step=f"check login, password and role of the connection `{AIRFLOW_API_CONNECTION}`",
        ) from error
    except httpx.HTTPError as error:
        raise RetriableError("Airflow's API does not answer", where=base, found=type(error).__name__) from error


def _address() -> tuple[str, str, str] | None:
    """Base URL, user and password of the API, or null when no connection is set."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get(AIRFLOW_API_CONNECTION)
    except AirflowNotFoundException:
        return None
    scheme = found.schema or "http"
    port = f":{found.port}" if found.port else ""
    return f"{scheme}://{found.host}{port}", found.login or "", found.password or ""
