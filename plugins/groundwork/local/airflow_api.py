"""The few calls of Airflow's REST API that the local commands need, with a token of the local user.

Grain of what is returned: Airflow's own JSON objects, reduced to frozen values where this package reads them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from groundwork.model.errors import FatalError, RetriableError

_TIMEOUT_SECONDS = 30.0
_TRIES = 5
UNFINISHED = ("queued", "running")


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task instance of a run; `seconds` is null until it ended."""

    task: str
    map_index: int
    state: str | None
    started_at: datetime | None
    seconds: float | None
    try_number: int

    @property
    def label(self) -> str:
        """The task's name, with the index when it is one of several copies."""
        return self.task if self.map_index < 0 else f"{self.task}[{self.map_index}]"


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """One run of a Dag."""

    run_id: str
    state: str
    conf: Mapping[str, Any]
    started_at: datetime | None
    ended_at: datetime | None


class AirflowApi:
    """A client for one user of the Airflow at `base_url`."""

    def __init__(self, base_url: str, user: str, password: str) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._login = {"username": user, "password": password}

    def __enter__(self) -> AirflowApi:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def token(self) -> str:
        """A fresh access token of the user. Raises: RetriableError when Airflow does not answer or refuses."""
        return str(self._send("POST", "/auth/token", json=self._login)["access_token"])

    def has_dag(self, dag_id: str) -> bool:
        """Whether Airflow has parsed a Dag of this name."""
        return any(dag["dag_id"] == dag_id for dag in self.dags())

    def dags(self) -> list[dict[str, Any]]:
        """All Dags that Airflow knows now."""
        return list(self._call("GET", "/api/v2/dags", params={"limit": 500, "exclude_stale": True})["dags"])

    def import_errors(self) -> list[dict[str, Any]]:
        """Dag files that could not be read, with their tracebacks."""
        return list(self._call("GET", "/api/v2/importErrors", params={"limit": 100})["import_errors"])

    def pools(self) -> frozenset[str]:
        """The names of all pools."""
        names: set[str] = set()
        while True:
            found = self._call("GET", "/api/v2/pools", params={"limit": 100, "offset": len(names), "order_by": "name"})
            names |= {str(pool["name"]) for pool in found["pools"]}
            if not found["pools"] or len(names) >= found["total_entries"]:
                return frozenset(names)

    def make_pool(self, name: str, slots: int, description: str) -> None:
        """Make a pool that is not there."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        self._call("POST", "/api/v2/pools", json=body)

    def unpause(self, dag_id: str) -> None:
        """Let the Dag run."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a run and return its id."""
        made = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(conf)})
        return str(made["dag_run_id"])

    def runs(self, dag_id: str, limit: int = 20) -> list[DagRun]:
        """The newest runs first."""
        query = {"order_by": "-run_after", "limit": limit}
        return [_run(run) for run in self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=query)["dag_runs"]]

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """One run."""
        return _run(self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"))

    def tasks(self, dag_id: str, run_id: str) -> list[TaskState]:
        """All task instances of a run, in no particular order."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return [_task(task) for task in self._call("GET", path, params={"limit": 500})["task_instances"]]

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        if "Authorization" not in self._client.headers:
            self._client.headers["Authorization"] = f"Bearer {self.token()}"
        return self._send(method, path, **arguments)

    def _send(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        """Send with patience: an API server that is just starting or overloaded answers later."""
        for attempt in range(_TRIES):
            try:
                answer = self._client.request(method, path, **arguments)
            except httpx.TransportError as error:
                found: object = error
                if method == "POST" and not isinstance(error, httpx.ConnectError):
                    break  # it may have been carried out
            else:
                if answer.is_success:
                    return dict(answer.json()) if answer.content else {}
                found = f"{answer.status_code} {answer.text[:500]}"
                if answer.status_code < 500:
                    raise FatalError("Airflow refused a call", where=f"{method} {path}", found=found)
            time.sleep(attempt)
        raise RetriableError(
            "Airflow does not answer", where=f"{method} {path}", found=found, next_step="groundwork status"
        )


def _run(run: Mapping[str, Any]) -> DagRun:
    return DagRun(
        run_id=run["dag_run_id"],
        state=run["state"],
        conf=run.get("conf") or {},
        started_at=_moment(run.get("start_date")),
        ended_at=_moment(run.get("end_date")),
    )


def _task(task: Mapping[str, Any]) -> TaskState:
    return TaskState(
        task=task["task_id"],
        map_index=task["map_index"],
        state=task["state"],
        started_at=_moment(task.get("start_date")),
        seconds=task.get("duration"),
        try_number=task.get("try_number") or 0,
    )


def _moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
