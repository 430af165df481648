"""A release in a running Airflow: it passes, is blocked by what somebody did by hand, and passes after the mending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from groundwork.local.databases import STORE
from groundwork.store.release import Releases
from tests.fix_demo import Demonstrated

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_GATES = ["schema_reviewed", "migration_tested", "performance_tested", "data_validated", "backup_verified"]
_INDEX = "trading_signals_decision_id_idx"
_UNSERVED = "without an index: market.trading_signals.signals_of_a_decision"


@pytest.fixture
def warehouse(demonstrated: Demonstrated) -> Iterator[Engine]:
    engine = demonstrated.warehouse()
    yield engine
    engine.dispose()


@pytest.fixture
def releases(demonstrated: Demonstrated) -> Iterator[Releases]:
    with demonstrated.stack.engine(STORE) as engine:
        yield Releases(engine)


def _states(demonstrated: Demonstrated, run_id: str) -> dict[str, str | None]:
    with demonstrated.stack.airflow() as airflow:
        return {task.label: task.state for task in airflow.tasks("release", run_id)}


def _decision(releases: Releases, run_id: str) -> dict[str, Any]:
    return next(dict(row) for row in releases.latest(["market"]) if row["run_id"] == f"release/{run_id}")


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_a_whole_domain_passes(demonstrated: Demonstrated, releases: Releases) -> None:
    assert demonstrated.finished_run("validation").state == "success"  # the gate asks for a validation after the load
    run = demonstrated.triggered_run("release", domain="market")
    measured = {row["gate"]: (row["is_passed"], row["found"]) for row in releases.gates(f"release/{run.run_id}")}
    assert {gate for gate, (is_passed, _) in measured.items() if not is_passed} == set(), measured
    assert sorted(measured) == sorted(_GATES)
    assert run.state == "success"
    assert _decision(releases, run.run_id)["state"] == "passed"


def test_a_closed_gate_blocks_says_why_and_is_measured_anew_when_it_is_cleared(
    demonstrated: Demonstrated, warehouse: Engine, releases: Releases
) -> None:
    _run(warehouse, f"DROP INDEX market.{_INDEX}")
    try:
        run = demonstrated.triggered_run("release", domain="market")
    finally:
        _run(warehouse, f"CREATE INDEX {_INDEX} ON market.trading_signals (decision_id)")
    assert run.state == "failed"
    states = _states(demonstrated, run.run_id)
    assert {task for task, state in states.items() if state != "success"} == {"decide"}, "closed is not failed"
    decision = _decision(releases, run.run_id)
    assert decision["state"] == "blocked"
    (gate,) = [row for row in releases.gates(f"release/{run.run_id}") if not row["is_passed"]]
    assert gate["gate"] == "performance_tested"
    assert _UNSERVED in gate["found"]
    assert "performance_tested" in decision["why"]
    assert _UNSERVED in _log(demonstrated, run.run_id, "decide")

    with demonstrated.stack.client() as client:
        cleared = {"dry_run": False, "only_failed": False, "dag_run_id": run.run_id, "task_ids": ["performance_tested"]}
        client.post("/dags/release/clearTaskInstances", json={**cleared, "include_downstream": True}).raise_for_status()
    assert demonstrated.finished_run("release", run_id=run.run_id).state == "success"
    assert _decision(releases, run.run_id)["state"] == "passed"


def _log(demonstrated: Demonstrated, run_id: str, task: str) -> str:
    """The log of a task's first attempt."""
    with demonstrated.stack.client() as client:
        return client.get(f"/dags/release/dagRuns/{run_id}/taskInstances/{task}/logs/1").raise_for_status().text
