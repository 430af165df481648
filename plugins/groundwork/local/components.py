"""The long-running processes of the deployment beside PostgreSQL, and how each shows that it works.

Airflow's own `standalone` is not used: ended by a signal it leaves its children behind.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from groundwork.local.digest import digest
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports

_HEALTH_TIMEOUT_SECONDS = 15.0  # the API server loads parts of itself at first use and answers nobody meanwhile


@dataclass(frozen=True, kw_only=True)
class Component:
    """One process: `heartbeat` is its key in Airflow's health report, null when it answers HTTP itself at `url`.

    `declarations` is the digest of files that it reads at its start only.
    """

    name: str
    arguments: tuple[str, ...]
    url: str | None = None
    heartbeat: str | None = None
    declarations: str = ""

    @property
    def address(self) -> str | None:
        """Where people and programs reach it; null when it does not listen."""
        return self.url and "/".join(self.url.split("/")[:3])

    @property
    def command(self) -> tuple[str, ...]:
        """The command line; it never holds a secret."""
        return (sys.executable, "-m", *self.arguments)


def components(layout: Layout, ports: Ports) -> tuple[Component, ...]:
    """All components in order of start."""
    domains = sorted(path.parent.name for path in (layout.project / "governance" / "contracts").glob("*/*.odcs.yaml"))
    chosen = [argument for domain in dict.fromkeys(domains) for argument in ("--domain", domain)]
    # This part of the API server loads at its first call, for seconds in which nobody is answered; better now than
    # when the first task wants to start, whose call would fail.
    health = f"{ports.airflow_url}/execution/health"
    listening = ("--host", "127.0.0.1", "--port", str(ports.api))
    return (
        Component(name="api-server", arguments=("airflow", "api-server"), url=health),
        Component(name="scheduler", arguments=("airflow", "scheduler", "--skip-serve-logs"), heartbeat="scheduler"),
        Component(name="dag-processor", arguments=("airflow", "dag-processor"), heartbeat="dag_processor"),
        Component(name="triggerer", arguments=("airflow", "triggerer", "--skip-serve-logs"), heartbeat="triggerer"),
        Component(
            name="data-api",
            arguments=("groundwork.cli", "api", *listening, *chosen),
            url=f"{ports.api_url}/health",
            declarations=digest(layout.project, ["governance/contracts", "governance/policies"]),
        ),
    )


def http_status(url: str) -> int | None:
    """The status that a GET of `url` answers with, or null when nobody answers."""
    import httpx  # 0.4 s; most commands do without

    try:
        return httpx.get(url, timeout=_HEALTH_TIMEOUT_SECONDS, trust_env=False).status_code
    except httpx.HTTPError:
        return None


def airflow_health(ports: Ports) -> Mapping[str, Any]:
    """Airflow's own health report by component; empty when the API server does not answer."""
    import httpx

    try:
        answer = httpx.get(
            f"{ports.airflow_url}/api/v2/monitor/health", timeout=_HEALTH_TIMEOUT_SECONDS, trust_env=False
        )
        content = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_heartbeat_fresh(health: Mapping[str, Any], component: Component, *since: float) -> bool:
    """Whether the report shows the component alive by a heartbeat after all of `since` (seconds since the epoch).

    These are the starts of its process and of the database: an older heartbeat is that of a process before it, or says
    nothing of whether it has got over the loss of its connections.
    """
    part = health.get(component.heartbeat or "") or {}
    beat = next((value for key, value in part.items() if key.startswith("latest_") and value), None)
    return (
        part.get("status") == "healthy" and beat is not None and datetime.fromisoformat(beat).timestamp() > max(since)
    )
