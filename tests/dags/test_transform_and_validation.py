"""The Dags `transform` and `validation` load by themselves, quickly, and import nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundwork.settings import Settings
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.airflow, pytest.mark.slow]
SETTINGS = Settings.from_environment()
_BUDGET = 0.35  # processor time, as a share of what loading Airflow takes on this machine
# A process of its own, because what earlier tests imported would hide what a Dag file imports.
_LOAD = """
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
import airflow.serialization.serialized_objects
loaded = started = time.process_time()
bag = DagBag(sys.argv[1])
print(json.dumps({
    "share": (time.process_time() - started) / loaded,
    "errors": bag.import_errors,
    "dags": {name: {t.task_id: list(t.upstream_task_ids) for t in dag.tasks} for name, dag in bag.dags.items()},
    "documented": all(dag.doc_md and dag.tags and dag.owner != "airflow" for dag in bag.dags.values()),
    "heavy": [name for name in ("great_expectations", "dbt", "pandas", "duckdb") if name in sys.modules],
}))
"""


def _load(name: str, tmp_path: Path) -> dict[str, Any]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__OPENLINEAGE__DISABLED": "True",
    }
    program = [sys.executable, "-c", _LOAD, str(SETTINGS.project / "dags" / name)]
    ended = subprocess.run(
        program, env=environment, capture_output=True, text=True, timeout=PROCESS_SECONDS, check=True
    )
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", ["transform.py", "validation.py", "ship_lineage.py"])
def test_within_budget_and_without_heavy_imports(name: str, tmp_path: Path) -> None:
    first, second = _load(name, tmp_path), _load(name, tmp_path)  # the first compiles what was never imported before
    loaded = min(first, second, key=lambda each: float(each["share"]))
    assert loaded["errors"] == {}
    assert list(loaded["dags"]) == [name.removesuffix(".py")]
    assert loaded["documented"]
    assert loaded["heavy"] == []
    assert loaded["share"] < _BUDGET


def test_each_model_is_a_task_after_those_it_reads(tmp_path: Path) -> None:
    tasks = _load("transform.py", tmp_path)["dags"]["transform"]
    models = {path.stem for path in (SETTINGS.dbt_project / "models").rglob("*.sql")}
    assert {f"models.{model}.run" for model in models} <= set(tasks)
    assert "models.int_price_changes.test" in tasks["models.fct_daily_prices.run"]
    assert "models.strategies_snapshot.test" in tasks["models.dim_strategy_history.run"]
    assert "choose" in tasks["models.stg_stock_prices.run"]
    assert tasks["keep_state"]
    relationship = "models.relationships_fct_daily_prices_ticker__ticker__ref_dim_ticker__test"
    assert {"models.dim_ticker.test", "models.fct_daily_prices.test"} <= set(tasks[relationship])
