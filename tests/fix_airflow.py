"""What tests share that run Airflow without a deployment: its own database, migrated once, and patterns that hurry."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PROCESS_SECONDS

_BACKOFF = "backoff: {base_seconds: 0.1, max_seconds: 0.2}"


@pytest.fixture(scope="session")
def airflow_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Airflow's database as a file of SQLite, migrated and empty; who needs one copies it."""
    home = tmp_path_factory.mktemp("airflow-schema")
    path = home / "airflow.db"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{path}",
    }
    done = subprocess.run(
        (sys.executable, "-m", "airflow", "db", "migrate"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return path


def hurry_patterns(project: Path) -> None:
    """Let every error pattern of a project wait for next to nothing between two attempts."""
    for path in (project / "governance" / "patterns").glob("*.yaml"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("backoff:")]
        path.write_text("\n".join([*lines, _BACKOFF]), encoding="utf-8")
