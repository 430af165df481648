"""Running failed tasks again from inside a task, where Airflow's own database is out of reach.

Two ways. With the Airflow connection `airflow_api` (HTTP, host, port, login, password): Airflow's REST API clears
exactly the failed task instances and what waits for them. Without it: the task's supervisor resets the whole run, which
repeats finished tasks too; that is safe because every step of Groundwork may be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.settings import AIRFLOW_API_CONNECTION

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 20
_MOST_POOLS = 1000


def clear_failed(incident: Mapping[str, Any]) -> str:
    """Run the failed task instances of an incident (a row of `incident`) again; what was done, for people.

    Raises: ConfigError when the API does not let us; RetriableError when it is away.
    """
    address = _address()
    runs = _by_run(incident["affected"])
    if address is None:
        for run_id in runs:
            _reset_run(incident["dag_id"], run_id)
        return f"reset {len(runs)} run(s) of {incident['dag_id']} as a whole"
    cleared = sum(
        _clear(address, incident["dag_id"], incident["task_id"], run_id, indexes) for run_id, indexes in runs.items()
    )
    return f"cleared {cleared} task instance(s) in {len(runs)} run(s) of {incident['dag_id']}"


def _by_run(affected: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    runs: dict[str, list[int]] = {}
    for each in affected:
        runs.setdefault(each["run_id"], []).append(each["map_index"])
    return runs


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


def _clear(address: tuple[str, str, str], dag_id: str, task_id: str, run_id: str, indexes: Sequence[int]) -> int:
    body = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [task_id if index < 0 else [task_id, index] for index in indexes],
        "only_failed": True,
        "include_downstream": True,
        "reset_dag_runs": True,
        "note": "run again after an incident was answered with `retry`",
    }
    with _session(address, "to run the failed task again") as client:
        done = client.post(f"/api/v2/dags/{quote(dag_id)}/clearTaskInstances", json=body)
        done.raise_for_status()
    return int(done.json()["total_entries"])


def pool_names() -> frozenset[str] | None:
    """The names of Airflow's pools, or null when there is no connection to ask by.

    Raises: ConfigError when the API does not let us; RetriableError when it is away.
    """
    address = _address()
    if address is None:
        return None
    with _session(address, "to tell its pools") as client:
        found = client.get("/api/v2/pools", params={"limit": _MOST_POOLS}).raise_for_status()
    return frozenset(pool["name"] for pool in found.json()["pools"])


@contextmanager
def _session(address: tuple[str, str, str], what: str) -> Iterator[httpx.Client]:
    """A client that is logged in; errors of HTTP become ours, `what` says what was refused."""
    import httpx

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


def _reset_run(dag_id: str, run_id: str) -> None:
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import TriggerDagRun

    task_runner.SUPERVISOR_COMMS.send(TriggerDagRun(dag_id=dag_id, run_id=run_id, conf={}, reset_dag_run=True))
