"""Every Dag of the repository loads by itself, tells what it is, and costs little to parse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from groundwork.contracts.read import read_domain
from tests.patience import PROCESS_SECONDS

pytestmark = [pytest.mark.airflow, pytest.mark.slow]
PROJECT = Path(__file__).resolve().parents[2]
EXPECTED = {
    "alarms",
    "backup",
    "change_column",
    "daily_report",
    "data_foundation",
    "escalation",
    "escalation_sweep",
    "governance",
    "health",
    "new_table",
    "release",
    "schema_guardian",
    "ship_lineage",
    "transform",
    "validation",
}
_BUDGET = 0.6  # processor time for all Dags together, as a share of what loading Airflow takes on this machine
_SCRIPT = """
import json, sys, time
from unittest.mock import patch
import pendulum
import airflow.sdk, airflow.providers.standard.operators.hitl
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.trigger import CronTriggerTimetable

MORNING = pendulum.datetime(2026, 1, 5, 6, 10, tz="UTC")  # soon after the hours at which our Dags run every day

def begins_late(timetable):
    timetable = getattr(timetable, "timetable", timetable)
    if not isinstance(timetable, CronTriggerTimetable):
        return False
    with patch("airflow.timetables.trigger.utcnow", lambda: MORNING):
        return timetable._calc_first_run() <= MORNING

folder = sys.argv[1]
loaded = started = time.process_time()
bag = DagBag(folder)
share = (time.process_time() - started) / loaded
told = {}
for dag in bag.dags.values():
    copy = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    told[dag.dag_id] = {
        "tags": sorted(dag.tags), "doc": bool(dag.doc_md), "owners": sorted({task.owner for task in dag.tasks}),
        "tasks": sorted(dag.task_ids), "copied": sorted(copy.task_ids),
        "begins_late": begins_late(copy.timetable),
        "is_cron": "Cron" in repr(type(getattr(copy.timetable, "timetable", 0))),
    }
heavy = sorted({"great_expectations", "dbt", "anthropic", "pandas", "presidio_analyzer"} & set(sys.modules))
print("RESULT" + json.dumps({"errors": bag.import_errors, "dags": told, "share": share, "heavy": heavy}))
"""


def _of_contracts() -> set[str]:
    """One Dag for each table that has a source; streams have their own."""
    folder = PROJECT / "governance" / "contracts"
    domains = {path.parent.name for path in folder.glob("*/*.odcs.yaml")}
    return {
        f"load_{domain}__{table.name if table.schema == domain else table.qualified_name}"
        for domain in domains
        for table in read_domain(domain, folder).tables
        if table.source is not None and table.source["kind"] != "stream"
    }


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of loading all Dags, the cheaper time of two: the first compiles what was never imported before."""
    home = tmp_path_factory.mktemp("airflow")
    return min((_load(home) for _ in range(2)), key=lambda each: float(each["share"]))


def _load(home: Path) -> dict[str, Any]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "GROUNDWORK"))}
    done = subprocess.run(
        (sys.executable, "-c", _SCRIPT, str(PROJECT / "dags")),
        env={**own, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PROCESS_SECONDS,
    )
    assert "RESULT" in done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.rpartition("RESULT")[2])
    return found


def test_the_expected_dags_load_without_errors(loaded: dict[str, Any]) -> None:
    assert loaded["errors"] == {}
    assert set(loaded["dags"]) == EXPECTED | _of_contracts()


def test_each_dag_tells_what_it_is(loaded: dict[str, Any]) -> None:
    for name, dag in loaded["dags"].items():
        assert "groundwork" in dag["tags"], name
        assert dag["doc"], name
        assert "airflow" not in dag["owners"], name


def test_each_dag_survives_serialisation(loaded: dict[str, Any]) -> None:
    for name, dag in loaded["dags"].items():
        assert dag["tasks"] == dag["copied"], name


def test_a_new_deployment_runs_nothing_that_was_due_before_it(loaded: dict[str, Any]) -> None:
    dags = loaded["dags"]
    assert dags["validation"]["is_cron"], "the look at timetables sees them"
    assert [name for name, dag in dags.items() if dag["begins_late"]] == [], "there may be no tables yet"


def test_parsing_stays_within_the_budget(loaded: dict[str, Any]) -> None:
    assert loaded["heavy"] == []
    assert loaded["share"] <= _BUDGET


def test_the_foundation_reads_like_its_phases(loaded: dict[str, Any]) -> None:
    tasks = loaded["dags"]["data_foundation"]["tasks"]
    for phase in ("schema_design", "data_access_layer", "data_integration"):
        assert f"{phase}.begin" in tasks
        assert f"{phase}.gate" in tasks
