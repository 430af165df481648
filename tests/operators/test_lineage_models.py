"""Each model of a run has lineage events of its own, sent by Airflow, and nothing that goes wrong reaches the task."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from groundwork.model.checks import Check, CheckResult
from groundwork.model.lineage import Dataset, Lineage
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import CheckKind, Dimension, Severity
from groundwork.transform.lineage import model_lineages
from groundwork.transform.report import ModelResult, Origin, TestResult, TransformReport
from tests.fix_postgres import Database
from tests.patience import PROCESS_SECONDS
from tests.transform.small_project import make_orders, make_project

pytestmark = pytest.mark.airflow
PROJECT = Path(__file__).resolve().parents[2]
OPERATION = Operation(project="market", name="transform", step=36)
_DAG = """
from airflow.sdk import DAG
from groundwork.operators.transform import DbtBuildOperator

with DAG("build", schedule=None):
    DbtBuildOperator(task_id="transform", domain="market", step=36)
"""


def _report(status: str) -> TransformReport:
    model = ModelResult(
        unique_id="model.p.m",
        name="m",
        relation="marts.m",
        materialized="table",
        status=status,
        message="no such column" if status == "error" else None,
        row_count=7 if status == "success" else None,
        seconds=0.1,
        parents=("source.p.raw.t",),
        description="A model.",
        columns=(("id", "bigint"), ("note", "")),
        sql="SELECT id FROM raw.t",
        started_at="2024-01-01T00:00:00Z",
        finished_at="2024-01-01T00:00:01Z",
    )
    test = TestResult(
        unique_id="test.p.x",
        name="not_null_m_id",
        model="model.p.m",
        column="id",
        kind="not_null",
        status="warn" if status == "success" else "skipped",
        message=None,
        failing_count=2,
        seconds=0.1,
        severity="warn",
    )
    return TransformReport(
        models=(model,),
        tests=(test,),
        seconds=1,
        dbt_version="1.11",
        relations={"model.p.m": "marts.m", "source.p.raw.t": "raw.t"},
        column_lineage={("model.p.m", "id"): (Origin(unique_id="source.p.raw.t", column="id", how="identity"),)},
    )


def _events(report: TransformReport) -> list[dict[str, Any]]:
    from openlineage.client.serde import Serde

    from groundwork.operators.lineage_models import ParentRun, model_events

    engine = create_engine("postgresql+psycopg://someone:secret-word@db.example:5433/warehouse")
    parent = ParentRun(namespace="groundwork", job="dag.transform", run_id="01a1fe4a-87ac-759e-8f5a-86f16e6312a2")
    made = model_events(model_lineages(engine, report), OPERATION, parent)
    return [json.loads(Serde.to_json(event)) for event in made]


def test_a_model_tells_inputs_outputs_columns_rows_tests_and_operation() -> None:
    start, complete, tested = _events(_report("success"))
    assert (start["eventType"], complete["eventType"], tested["eventType"]) == ("START", "COMPLETE", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"] != tested["run"]["runId"]
    assert complete["job"]["name"] == "dag.transform.m"
    assert complete["run"]["facets"]["groundwork"]["operationId"] == "DATA.MARKET.M.DBT.20000.036"
    assert complete["run"]["facets"]["parent"]["job"]["name"] == "dag.transform"
    assert complete["eventTime"] == "2024-01-01T00:00:01Z"
    (read,), (written,) = complete["inputs"], complete["outputs"]
    assert (read["namespace"], read["name"]) == ("postgres://db.example:5433", "warehouse.raw.t")
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert [field.get("type") for field in written["facets"]["schema"]["fields"]] == ["bigint", None]
    origin = written["facets"]["columnLineage"]["fields"]["id"]["inputFields"][0]
    assert (origin["name"], origin["field"], origin["transformations"][0]["subtype"]) == (
        "warehouse.raw.t",
        "id",
        "IDENTITY",
    )
    assert complete["job"]["facets"]["sql"]["query"] == "SELECT id FROM raw.t"
    (assertion,) = tested["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (assertion["success"], assertion["severity"], assertion["column"]) == (False, "warn", "id")
    assert tested["inputs"][0]["inputFacets"]["dataQualityMetrics"]["columnMetrics"]["id"]["nullCount"] == 2
    assert "secret-word" not in json.dumps([start, complete, tested])


def test_a_model_that_failed_says_so() -> None:
    _, failed = _events(_report("error"))
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"] == "no such column"
    assert _events(_report("skipped")) == []


def test_what_goes_wrong_while_sending_reaches_nobody(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.openlineage.api import core

    from groundwork.operators.lineage_models import emit_models

    monkeypatch.setattr(core, "is_openlineage_active", lambda: True)
    engine = create_engine("postgresql+psycopg://db.example/warehouse")
    assert emit_models(model_lineages(engine, _report("success")), OPERATION, SimpleNamespace(broken=True)) == 0
    assert "lineage of single models was not sent" in caplog.text + capsys.readouterr().out


def test_assertions_belong_to_the_very_table_and_hold_no_samples() -> None:
    from groundwork.operators.lineage_quality import quality_facets

    check = Check(
        id="t.id.not_null",
        schema="raw",
        table="t",
        columns=("id",),
        kind=CheckKind.NOT_NULL,
        dimension=Dimension.COMPLETENESS,
        severity=Severity.ERROR,
    )
    result = CheckResult(
        check=check,
        passed=False,
        engine="sql",
        expected="no nulls",
        observed="1 of 3",
        failing_count=1,
        row_count=3,
        sample=({"id": "a-sampled-value"},),
    )
    facets = quality_facets(Dataset(namespace="n", name="db.raw.t"), (result,))
    assert facets["dataQualityMetrics"].rowCount == 3
    assert facets["dataQualityAssertions"].assertions[0].actual == "1 of 3"
    assert "a-sampled-value" not in repr(facets)
    assert quality_facets(Dataset(namespace="n", name="db.straw.t"), (result,)) == {}
    assert quality_facets(Dataset(namespace="n", name="db.x.raw.t"), (result,)) == {}
    assert Lineage().assertions == ()


def test_a_task_of_one_dbt_node_has_an_operation_and_others_have_none() -> None:
    from groundwork.operators.lineage import operation_facet

    node = {"dbt_node_config": {"unique_id": "model.groundwork.dim_date"}}
    task = SimpleNamespace(extra_context=node, params={"domain": "market"})
    facet = operation_facet(SimpleNamespace(task=task), None)["groundwork"]
    assert facet.operationId == "DATA.MARKET.DIM_DATE.DBT.20000.000"
    assert operation_facet(SimpleNamespace(task=SimpleNamespace()), None) == {}
    assert operation_facet(SimpleNamespace(), None) == {}


def _airflow(home: Path, database: Database, *arguments: str, transport: dict[str, Any]) -> str:
    address = database.url.replace("postgresql+psycopg://", "postgres://")
    environment = {
        **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "groundwork",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW_CONN_WAREHOUSE": address,
        "AIRFLOW_CONN_GROUNDWORK_STORE": address,
        "GROUNDWORK_PROJECT": str(home / "project"),
        "GROUNDWORK_HOME": str(home / "state"),
    }
    command = [str(Path(sys.executable).parent / "airflow"), *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, timeout=PROCESS_SECONDS
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout + done.stderr


@pytest.mark.postgres
@pytest.mark.slow
def test_airflow_sends_every_model_to_the_file_and_keeps_the_state(
    tmp_path: Path, database: Database, airflow_schema: Path
) -> None:
    make_orders(database.engine)
    make_project(tmp_path / "project" / "dbt_project")
    shutil.copytree(PROJECT / "governance", tmp_path / "project" / "governance")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "build.py").write_text(_DAG, encoding="utf-8")
    outbox = tmp_path / "events.ndjson"
    transport = {"type": "file", "log_file_path": str(outbox), "append": True}
    shutil.copy(airflow_schema, tmp_path / "airflow.db")
    _airflow(tmp_path, database, "dags", "test", "build", transport=transport)
    events = [json.loads(line) for line in outbox.read_text(encoding="utf-8").splitlines()]
    done = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}
    models = {"orders", "large_orders", "small_orders", "large_count"}
    assert {f"build.transform.{name}" for name in models} < set(done)
    task = done["build.transform"]
    assert task["run"]["facets"]["groundwork"]["operationId"] == OPERATION.id
    parent = done["build.transform.large_orders"]["run"]["facets"]["parent"]
    assert parent["run"]["runId"] == task["run"]["runId"]
    test = done["build.transform.orders.test"]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [one["success"] for one in test] == [True]
    assert list((tmp_path / "state" / "dbt" / "state").glob("*/manifest.json"))
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT order_count FROM market_small.large_count")).scalar_one() == 1
