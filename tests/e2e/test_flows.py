"""The other Dags run for real: by the asset that a loaded domain is, or when somebody starts them."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text

from tests.fix_demo import Demonstrated

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_MODEL = "market_marts.fct_signals"


@pytest.mark.parametrize("dag_id", ["validation", "governance", "daily_report"])
def test_a_loaded_domain_starts_what_waits_for_it(demonstrated: Demonstrated, dag_id: str) -> None:
    run = demonstrated.finished_run(dag_id)
    with demonstrated.stack.airflow() as airflow:
        tasks = {task.label: task.state for task in airflow.tasks(dag_id, run.run_id)}
    assert run.state == "success", tasks


def test_each_model_is_a_task_and_what_is_missing_is_built_anew(demonstrated: Demonstrated) -> None:
    engine = demonstrated.warehouse()
    with engine.begin() as connection:
        before = connection.execute(text(f"SELECT count(*) FROM {_MODEL}")).scalar_one()
        connection.execute(text(f"DROP TABLE {_MODEL}"))
    run = demonstrated.triggered_run("transform", changed_only=True)
    with demonstrated.stack.airflow() as airflow:
        tasks = {task.label.removeprefix("models."): task.state for task in airflow.tasks("transform", run.run_id)}
    assert run.state == "success", tasks
    done = {task for task, state in tasks.items() if state == "success"}
    assert {"choose", "fct_signals.run", "fct_signals.test", "keep_state"} <= done
    assert {"relationships_fct_signals_ticker__ticker__ref_dim_ticker__test"} <= done
    assert {tasks[f"{model}.run"] for model in ("stg_stock_prices", "dim_ticker", "fct_daily_prices")} == {"skipped"}
    assert set(tasks.values()) == {"success", "skipped"}
    with engine.connect() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {_MODEL}")).scalar_one() == before > 0
    engine.dispose()


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
