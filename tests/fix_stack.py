"""The whole local deployment for tests that need a running Airflow: brought up once, in a temporary home.

Everything goes through the command line, as a person would do it. When and beside what its tests run: `fix_order`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, create_engine

from groundwork.local.airflow_api import AirflowApi
from groundwork.local.databases import database_url
from groundwork.local.environment import password
from groundwork.local.layout import Layout
from groundwork.local.ports import Ports, remember
from groundwork.local.postgres import free_port
from groundwork.local.supervisor import Deployment

_UP_SECONDS = 1200
_DEMO_SECONDS = 1500
ANSWER_SECONDS = 120  # for one answer of a server that has much else to do
OwnSettings = Mapping[str, Mapping[str, float]]
_QUICK: OwnSettings = {"scheduler": {"scheduler_idle_sleep_time": 0.3}}  # else up to a second between two tasks


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running deployment."""

    layout: Layout

    @property
    def home(self) -> Path:
        """Its folder."""
        return self.layout.home

    @property
    def deployment(self) -> Deployment:
        """Its processes."""
        return Deployment(layout=self.layout)

    @property
    def ports(self) -> Ports:
        """Its ports."""
        return self.deployment.ports()

    @property
    def airflow_url(self) -> str:
        """Address of Airflow."""
        return self.ports.airflow_url

    @property
    def api_url(self) -> str:
        """Address of the data API."""
        return self.ports.api_url

    def airflow(self, user: str = "admin") -> AirflowApi:
        """A client of Airflow's REST API; to be used as a context."""
        return AirflowApi(self.airflow_url, user, password(self.layout, user))

    def token(self, user: str = "admin") -> str:
        """An access token of one of `admin`, `user`, `viewer`."""
        with self.airflow(user) as client:
            return client.token()

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        """A client of Airflow's REST API, version 2, as its administrator."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        address = f"{self.airflow_url}/api/v2"
        with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=ANSWER_SECONDS) as client:
            yield client

    @contextmanager
    def engine(self, database: str) -> Iterator[Engine]:
        """One of the deployment's databases as its owner."""
        engine = create_engine(database_url(self.layout, self.ports.postgres, database))
        try:
            yield engine
        finally:
            engine.dispose()

    def command(self, *arguments: str, timeout: float = _UP_SECONDS) -> subprocess.CompletedProcess[str]:
        """Run `groundwork …` on this deployment."""
        return run_command(self.layout, *arguments, timeout=timeout)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `groundwork …` on this deployment; its output can be read while it runs."""
        return subprocess.Popen(
            (sys.executable, "-m", "groundwork.cli", *arguments),
            env=_environment(self.layout),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `groundwork demo` on this deployment to its end."""
        return self.command("demo", *arguments, timeout=_DEMO_SECONDS)


def run_command(layout: Layout, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run `groundwork …` with `layout`'s home and project and nothing of the caller's own deployment."""
    return subprocess.run(
        (sys.executable, "-m", "groundwork.cli", *arguments),
        env=_environment(layout),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _environment(layout: Layout) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    return {**own, "GROUNDWORK_HOME": str(layout.home), "GROUNDWORK_PROJECT": str(layout.project)}


def temporary_layout(project: Path | None = None, settings: OwnSettings | None = None) -> Layout:
    """A layout with an empty home, free ports and own settings of Airflow."""
    home = Path(tempfile.mkdtemp(prefix="groundwork-stack-"))
    layout = Layout(project=project or Path(__file__).resolve().parents[1], home=home / "home")
    layout.prepare()
    remember(layout, Ports(postgres=free_port(), airflow=free_port(), api=free_port()))
    layout.write_config({**layout.read_config(), "airflow": dict(settings or {})})
    return layout


def remove(layout: Layout) -> None:
    """End the deployment and delete what it left, its parent folder included."""
    gone = run_command(layout, "down", "--erase", "--yes")
    shutil.rmtree(layout.home.parent, ignore_errors=True)
    assert gone.returncode == 0, gone.stderr


@contextmanager
def running(project: Path | None = None, settings: OwnSettings | None = None) -> Iterator[Stack]:
    """A deployment of `project` (else of this checkout), up and healthy; nothing of it stays."""
    layout = temporary_layout(project, settings)
    try:
        started = run_command(layout, "up", timeout=_UP_SECONDS)
        assert started.returncode == 0, started.stderr
        yield Stack(layout=layout)
    finally:
        remove(layout)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """This checkout's deployment, up and healthy; the foundation has not run yet."""
    with running(settings=_QUICK) as stack:
        yield stack
