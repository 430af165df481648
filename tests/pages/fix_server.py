"""A real Airflow API server with Groundwork's plugin, its own metadata database, and users of every role.

One for all tests of this folder, because starting one takes most of a minute on a small machine. Store and warehouse
are databases of the test session's PostgreSQL; tests fill them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, make_url

from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database, _fresh_database
from tests.patience import PROCESS_SECONDS

OUTSIDER = "outsider"  # known to `tests.pages.per_dag_manager`, which only the server imports

PROJECT = Path(__file__).resolve().parents[2]
ROLES = ("viewer", "user", "op", "admin")
_USERS = {role: role for role in ROLES} | {OUTSIDER: "viewer"}
_PASSWORD = "for-this-test-only"
_START_SECONDS = 600
_ANSWER_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running API server; each user is called as its role."""

    url: str
    store: Engine
    warehouse: Engine
    home: Path
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, role: str) -> str:
        """The token of the user called as this role."""
        if role not in self.tokens:
            self.tokens[role] = self._log_in(role)
        return self.tokens[role]

    def airflow(self, *arguments: str) -> None:
        """Run a command of Airflow where the server lives."""
        _airflow(self.environment, *arguments)

    def api_connection(self, role: str) -> str:
        """The connection to its API, as the user called as this role."""
        at = urlsplit(self.url)
        told = {"conn_type": "http", "host": at.hostname, "port": at.port, "login": role, "password": _PASSWORD}
        return json.dumps(told)

    def _log_in(self, role: str) -> str:
        answer = httpx.post(
            f"{self.url}/auth/token", json={"username": role, "password": _PASSWORD}, timeout=_ANSWER_SECONDS
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def client(self, role: str | None = None) -> httpx.Client:
        """A client that asks for HTML as a browser does, as one of the users or anonymously."""
        headers = {"Accept": "text/html"} | ({"Authorization": f"Bearer {self.token(role)}"} if role else {})
        return httpx.Client(base_url=self.url, headers=headers, timeout=_ANSWER_SECONDS)


@pytest.fixture(scope="package")
def airflow_server(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server; it lives as long as tests of this folder run."""
    databases = [_fresh_database(postgres) for _ in range(3)]
    metadata, store, warehouse = (next(database) for database in databases)
    migrate(store.engine)
    home = tmp_path_factory.mktemp("airflow")
    port = free_port()
    environment = _environment(home, port, metadata, store, warehouse)
    _airflow(environment, "db", "migrate")
    with (home / "api-server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server", "--port", str(port), "--workers", "1"],
            env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, home / "api-server.log")
        yield Server(url=url, store=store.engine, warehouse=warehouse.engine, home=home, environment=environment)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for database in databases:
            next(database, None)


def _environment(home: Path, port: int, metadata: Database, store: Database, warehouse: Database) -> dict[str, str]:
    (home / "dags").mkdir()
    (home / "passwords.json").write_text(json.dumps(dict.fromkeys(_USERS, _PASSWORD)))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    return inherited | {
        "AIRFLOW_HOME": str(home),
        "GROUNDWORK_HOME": str(home / "groundwork"),
        "GROUNDWORK_PROJECT": str(PROJECT),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in _USERS.items()),
        "AIRFLOW__CORE__AUTH_MANAGER": "tests.pages.per_dag_manager.PerDagManager",
        "PYTHONPATH": str(PROJECT),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.url.replace("+psycopg:", "+psycopg2:"),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-this-test-session-that-is-long-enough-for-any-algorithm-used",
        "AIRFLOW_CONN_GROUNDWORK_STORE": _connection(store),
        "AIRFLOW_CONN_WAREHOUSE": _connection(warehouse),
    }


def _connection(database: Database) -> str:
    url = make_url(database.url)
    return json.dumps(
        {
            "conn_type": "postgres",
            "host": url.host,
            "port": url.port,
            "login": url.username,
            "password": url.password,
            "schema": url.database,
        }
    )


def _airflow(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        env=environment, check=False, capture_output=True, text=True, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/api/v2/version", timeout=_ANSWER_SECONDS).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    pytest.fail(f"the API server did not start: {log.read_text()[-3000:]}")
