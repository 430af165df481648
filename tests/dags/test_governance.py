"""The Dag `governance`, run by Airflow itself against a real warehouse and store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from groundwork.contracts.derive.ddl import statements
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from groundwork.store.policy_verdict import PolicyVerdicts
from tests.fix_postgres import Database
from tests.governance.clinic import market
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
PROJECT = Path(__file__).parents[2]


def airflow(home: Path, database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    address = database.url.replace("postgresql+psycopg://", "postgres://")
    environment = {
        **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_WAREHOUSE": address,
        "AIRFLOW_CONN_GROUNDWORK_STORE": address,
        "GROUNDWORK_PROJECT": str(PROJECT),
    }
    command = [str(Path(sys.executable).parent / "airflow"), *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, timeout=PROCESS_SECONDS
    )


def test_the_dag_governs_the_market(tmp_path: Path, database: Database, airflow_schema: Path) -> None:
    migrate(database.engine)
    with database.engine.begin() as connection:
        for statement in statements(market()):
            connection.exec_driver_sql(statement.sql, execution_options={"no_parameters": True})
    (tmp_path / "dags").mkdir()
    shutil.copy(PROJECT / "dags" / "governance.py", tmp_path / "dags")
    shutil.copy(airflow_schema, tmp_path / "airflow.db")
    done = airflow(tmp_path, database, "dags", "test", "governance")
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    verdicts = PolicyVerdicts(database.engine).latest("market")
    steps = {row["step"] for row in verdicts}
    assert {"classify", "verify_access", "retention_dry_run"} <= steps
    assert not [row for row in verdicts if not row["is_passed"] and row["effect"] == "block"]
    events = AuditTrail(database.engine).latest(1000)
    assert events[0]["action"] == "governance_run"
    assert {event["actor"] for event in events} >= {
        f"dag:governance task:{task}" for task in ("classify", "apply_access", "verify_access", "audit")
    }
    assert AuditTrail(database.engine).verify().is_intact
    with database.engine.connect() as connection:
        views = connection.execute(text("SELECT count(*) FROM pg_views WHERE schemaname = 'market_access'"))
        assert views.scalar_one() == len(market().tables)
