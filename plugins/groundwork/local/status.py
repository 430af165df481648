"""What the deployment looks like right now: processes, databases, Dags, policies, lineage, the latest run.

Reads only; every part that does not answer is told as such and hides nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg

from groundwork.local import environment
from groundwork.local.airflow_api import AirflowApi
from groundwork.local.components import Component, airflow_health, components, http_status, is_heartbeat_fresh
from groundwork.local.databases import DATABASES, STORE, database_url, password_name
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports
from groundwork.local.supervisor import Deployment
from groundwork.local.versions import versions
from groundwork.model.errors import GroundworkError


class State(StrEnum):
    """How a part does."""

    HEALTHY = "healthy"
    STARTING = "starting"  # it lives and does not answer (yet)
    DOWN = "down"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process or database; `problem` says what is wrong when it is not healthy."""

    name: str
    state: State
    address: str | None = None
    pid: int | None = None
    started_at: datetime | None = None
    log: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole deployment; `import_errors` is file → message, null while Airflow does not answer.

    `policies` is how many policies and error patterns there are, `policy_problems` file → message of those that cannot
    be read.
    """

    is_installed: bool
    home: str
    project: str
    versions: Mapping[str, str | None]
    components: Sequence[Part] = ()
    databases: Sequence[Part] = ()
    dags_folder: str | None = None
    dags: Sequence[str] | None = None
    import_errors: Mapping[str, str] | None = None
    lineage_file: str | None = None
    lineage_events: int = 0
    latest_run: Mapping[str, Any] | None = None
    policies: int = 0
    policy_problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_healthy(self) -> bool:
        """Whether all parts do well, and every Dag file and policy can be read."""
        parts = (*self.components, *self.databases)
        is_read = self.import_errors == {} and not self.policy_problems
        return self.is_installed and is_read and all(part.state is State.HEALTHY for part in parts)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, times in ISO 8601."""
        return {"is_healthy": self.is_healthy, **_plain(asdict(self))}


def collect(layout: Layout) -> Status:
    """The present state of the deployment in `layout`."""
    from groundwork.insight.policy_check import check_policies

    common = {"home": str(layout.home), "project": str(layout.project), "versions": versions()}
    if not layout.is_installed:
        return Status(is_installed=False, **common)  # type: ignore[arg-type]
    deployment = Deployment(layout=layout)
    ports = deployment.ports()
    with ThreadPoolExecutor() as pool:
        parts = pool.submit(_components, deployment, ports)
        databases = [pool.submit(_database, layout, ports, name) for name in DATABASES]
        dags = pool.submit(_dags, layout, ports)
        run = pool.submit(_latest_run, layout, ports)
        names, errors = dags.result()
        policies = check_policies(layout.project)
        return Status(
            is_installed=True,
            **common,  # type: ignore[arg-type]
            components=[_postgres(deployment, ports), *parts.result()],
            databases=[database.result() for database in databases],
            dags_folder=str(layout.project / "dags"),
            dags=names,
            import_errors=errors,
            lineage_file=str(layout.lineage),
            lineage_events=count_lines(layout.lineage),
            latest_run=run.result(),
            policies=len(policies),
            policy_problems={each.file: str(each.problem) for each in policies if each.problem is not None},
        )


def count_lines(file: Path) -> int:
    """Number of lines in a file; 0 when there is none."""
    try:
        with file.open("rb") as source:
            return sum(1 for _ in source)
    except OSError:
        return 0


def _postgres(deployment: Deployment, ports: Ports) -> Part:
    server = deployment.server(ports)
    pid = server.pid()
    is_answering = server.is_running()
    state = State.HEALTHY if is_answering else State.STARTING if pid else State.DOWN
    return Part(
        name="postgresql",
        state=state,
        address=f"127.0.0.1:{ports.postgres}",
        pid=pid,
        log=str(server.log),
        problem=None if is_answering else "does not run; groundwork up starts it",
    )


def _components(deployment: Deployment, ports: Ports) -> list[Part]:
    health, since = airflow_health(ports), deployment.server(ports).started_at()
    return [_component(deployment, component, health, since) for component in components(deployment.layout, ports)]


def _component(deployment: Deployment, component: Component, health: Mapping[str, Any], database_since: float) -> Part:
    record = deployment.record(component.name)
    log = str(deployment.layout.logs / f"{component.name}.log")
    if record is None or record.leader is None:
        problem = "is not started" if record is None else "ended by itself"
        return Part(name=component.name, state=State.DOWN, address=component.address, log=log, problem=problem)
    if component.url is not None:
        answer = http_status(component.url)
        is_healthy, problem = answer == 200, f"{component.url} answers {answer or 'nothing'}"
    else:
        is_healthy = is_heartbeat_fresh(health, component, record.created_at, database_since)
        problem = "no heartbeat of this process has reached Airflow lately"
    return Part(
        name=component.name,
        state=State.HEALTHY if is_healthy else State.STARTING,
        address=component.address,
        pid=record.pid,
        started_at=datetime.fromtimestamp(record.created_at, UTC),
        log=log,
        problem=None if is_healthy else problem,
    )


def _database(layout: Layout, ports: Ports, name: str) -> Part:
    address = f"127.0.0.1:{ports.postgres}/{name}"
    try:
        with psycopg.connect(
            host="127.0.0.1",
            port=ports.postgres,
            user=name,
            password=layout.secret(password_name(name)),
            dbname=name,
            connect_timeout=5,
        ) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return Part(name=name, state=State.DOWN, address=address, problem=str(error).strip())
    return Part(name=name, state=State.HEALTHY, address=address)


def _dags(layout: Layout, ports: Ports) -> tuple[list[str] | None, dict[str, str] | None]:
    if http_status(f"{ports.airflow_url}/api/v2/version") is None:
        return None, None
    try:
        with AirflowApi(ports.airflow_url, "admin", environment.password(layout, "admin")) as airflow:
            errors = {error["filename"]: error["stack_trace"].strip() for error in airflow.import_errors()}
            return sorted(dag["dag_id"] for dag in airflow.dags()), errors
    except GroundworkError:
        return None, None


def _latest_run(layout: Layout, ports: Ports) -> Mapping[str, Any] | None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError

    from groundwork.store.foundation import FoundationRuns

    engine = create_engine(database_url(layout, ports.postgres, STORE), connect_args={"connect_timeout": 5})
    try:
        return next(iter(FoundationRuns(engine).latest(limit=1)), None)
    except DBAPIError:
        return None
    finally:
        engine.dispose()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
