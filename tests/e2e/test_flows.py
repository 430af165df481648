"""The other Dags run for real: by the asset that a loaded domain is, or when somebody starts them."""

from __future__ import annotations

import json

import pytest

from tests.fix_demo import Demonstrated

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("dag_id", ["validation", "governance", "daily_report"])
def test_a_loaded_domain_starts_what_waits_for_it(demonstrated: Demonstrated, dag_id: str) -> None:
    run = demonstrated.finished_run(dag_id)
    with demonstrated.stack.airflow() as airflow:
        tasks = {task.label: task.state for task in airflow.tasks(dag_id, run.run_id)}
    assert run.state == "success", tasks


def test_each_model_is_a_task(demonstrated: Demonstrated) -> None:
    run = demonstrated.triggered_run("transform")
    with demonstrated.stack.airflow() as airflow:
        tasks = {task.label: task.state for task in airflow.tasks("transform", run.run_id)}
    assert run.state == "success", tasks
    assert any("fct_daily_prices" in label for label in tasks)
    assert set(tasks.values()) == {"success"}


def test_lineage_names_operation_columns_rows_and_assertions(demonstrated: Demonstrated) -> None:
    lines = demonstrated.stack.layout.lineage.read_text(encoding="utf-8").splitlines()
    events = [event for event in map(json.loads, lines) if event["eventType"] == "COMPLETE"]
    ours = [event for event in events if "groundwork" in event["run"]["facets"]]
    assert {event["run"]["facets"]["groundwork"]["operationId"][:12] for event in ours} == {"DATA.MARKET."}
    outputs = [output for event in ours for output in event["outputs"]]
    prices = next(one for one in outputs if one["name"] == "warehouse.market.stock_prices")
    assert "open_price" in prices["facets"]["columnLineage"]["fields"]
    assert prices["outputFacets"]["outputStatistics"]["rowCount"] == 12_154
    assert any(one["name"].endswith("fct_daily_prices") for one in outputs)
    inputs = [one for event in ours for one in event["inputs"]]
    assert any("dataQualityAssertions" in (one.get("inputFacets") or {}) for one in inputs)
