"""`groundwork api` as a process: it starts before anything exists, answers, and ends on SIGTERM."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.store.api_key import ApiKeys
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database, _fresh_database
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]


@pytest.fixture
def store(postgres: EmbeddedPostgres) -> Iterator[Database]:
    yield from _fresh_database(postgres)


def test_the_command_serves(database: Database, store: Database, tmp_path: Path) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_WAREHOUSE": database.url.replace("postgresql+psycopg", "postgres"),
        "AIRFLOW_CONN_GROUNDWORK_STORE": store.url.replace("postgresql+psycopg", "postgres"),
    }
    command = [sys.executable, "-m", "groundwork.cli.main", "api", "--port", str(port), "--domain", "market"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        assert _health(url, process) == 200, (tmp_path / "log").read_text()
        assert httpx.get(f"{url}/api/v1", trust_env=False, timeout=PATIENCE_SECONDS).status_code == 401
        migrate(store.engine)
        token = ApiKeys(store.engine).issue(name="test", role="market_reader", by="test").token
        answer = httpx.get(
            f"{url}/api/v1/market/orders", headers={"X-API-Key": token}, trust_env=False, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 503
        assert "data_foundation" in answer.json()["next_step"]
    finally:
        process.terminate()
        try:
            code = process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
    assert code in (0, -15)
    assert "groundwork-test" not in (tmp_path / "log").read_text()


def _health(url: str, process: subprocess.Popen[bytes]) -> int | None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return httpx.get(f"{url}/health", trust_env=False, timeout=PATIENCE_SECONDS).status_code
        except httpx.TransportError:
            time.sleep(0.2)
    return None
