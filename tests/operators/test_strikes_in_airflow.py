"""The retry policy, the listener and the decision operator inside a real run of Airflow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundwork.store.decision import Decisions
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_airflow import hurry_patterns
from tests.fix_messages_api import MessagesApi
from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
_ROOT = Path(__file__).parents[2]
_PLUGIN = """
from airflow.plugins_manager import AirflowPlugin
from groundwork.operators import listener

class Listens(AirflowPlugin):
    name = "listens"
    listeners = [listener]
"""


def _project(folder: Path) -> Path:
    """A project with the repository's contracts and patterns, the patterns without their waiting."""
    (folder / "dags").mkdir(parents=True)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "listens.py").write_text(_PLUGIN, encoding="utf-8")
    shutil.copytree(_ROOT / "governance", folder / "governance")
    hurry_patterns(folder)
    shutil.copy(_ROOT / "dags" / "escalation.py", folder / "dags")
    shutil.copy(Path(__file__).with_name("strike_drill.py"), folder / "dags")
    return folder


def _run(folder: Path, database: Database, api: MessagesApi) -> dict[str, Any]:
    warehouse = database.url.replace("postgresql+psycopg", "postgres")
    claude = {
        "conn_type": "pydanticai", "host": api.url, "password": "key-of-the-test",
        "extra": {"model": "anthropic:claude-sonnet-4-5"},
    }  # fmt: skip
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db",
        "AIRFLOW_CONN_WAREHOUSE": warehouse,
        "AIRFLOW_CONN_GROUNDWORK_STORE": warehouse,
        "AIRFLOW_CONN_CLAUDE": json.dumps(claude),
        "GROUNDWORK_PROJECT": str(folder),
        "GROUNDWORK_HOME": str(folder / "home"),
    }
    program = str(folder / "dags" / "strike_drill.py")
    done = subprocess.run(
        [sys.executable, program], env=environment, capture_output=True, text=True, timeout=PROCESS_SECONDS, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, f"the run broke:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    result: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return result | {"log": done.stdout + done.stderr}


def test_a_run_with_every_kind_of_failure(
    tmp_path: Path, database: Database, messages_api: MessagesApi, airflow_schema: Path
) -> None:
    migrate(database.engine)
    messages_api.advice = {"choice": "keep_declared", "reasoning": "All is served.", "confidence": 0.8}
    project = _project(tmp_path / "project")
    shutil.copy(airflow_schema, project / "airflow.db")
    found = _run(project, database, messages_api)

    assert found["tries"]["always_away"] == ["failed", 3]
    assert found["tries"]["heals"] == ["success", 2]
    assert found["tries"]["wrong"] == ["failed", 1], "no retry for what trying again cannot mend"
    assert found["tries"]["refused"] == ["failed", 1]

    strikes = {(row["task_id"], row["try_number"]): row for row in Strikes(database.engine).latest()}
    assert sorted(strikes) == [("always_away", 1), ("always_away", 2), ("always_away", 3), ("heals", 1),
                               ("refused", 1), ("wrong", 1)]  # fmt: skip
    assert [strikes["always_away", number]["number"] for number in (1, 2, 3)] == [1, 2, 3]
    assert strikes["always_away", 1]["remedies"][0]["is_done"]
    assert strikes["heals", 1]["outcome"] == "healed"
    where = dict(strikes["heals", 1]["circumstances"])
    assert where.pop("observed")["is_database_reachable"] == 1
    assert where == {"engine": "postgresql", "target": "warehouse", "operation": "_PythonDecoratedOperator"}
    assert strikes["wrong", 1]["fault_class"] == "programming_error"
    assert not any("hunter2" in row["message"] for row in strikes.values())

    incidents = Incidents(database.engine).latest("open")
    assert {row["task_id"] for row in incidents} == {"always_away", "wrong", "refused"}
    assert {f"incident__{row['id']}" for row in incidents} == set(found["escalations"])
    for row in incidents:
        assert found["escalations"][f"incident__{row['id']}"] == {"incident_id": str(row["id"])}

    assert found["tries"]["decide"] == ["success", 1]
    chosen = {(each["kind"], each["subject"]): each for each in found["decisions"]}
    assert chosen["index_design", "market.orders"]["decided_by"] == "model:claude-sonnet-4-5"
    partition = chosen["partition_design", "market.stock_prices"]
    assert partition["decided_by"] == "rules", "keep_declared is no option for partitions"
    assert "model.choice_is_an_option" in partition["refused"]
    stored = Decisions(database.engine).latest()
    assert {str(each.id) for each in stored} == {each["id"] for each in found["decisions"]}
    assert stored[0].operation_id == "DATA.MARKET.DECIDE.GROUNDWORK.20000.002"
