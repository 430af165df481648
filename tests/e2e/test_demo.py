"""The demo ends green, a second one finds nothing to do, and what it left can be looked at from every side."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fix_demo import Demonstrated
from tests.fix_stack import ANSWER_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]


def criteria(node: Any) -> list[dict[str, Any]]:
    """Every criterion anywhere in the overview's document, in order."""
    if isinstance(node, list):
        return [found for each in node for found in criteria(each)]
    if not isinstance(node, dict):
        return []
    return [node] if "how_measured" in node else [found for each in node.values() for found in criteria(each)]


def test_the_demo_is_green(demonstrated: Demonstrated) -> None:
    assert demonstrated.exit_code == 0, demonstrated.said
    assert "\n9 tables; " in demonstrated.said
    assert "≠" not in demonstrated.said
    assert "✗" not in demonstrated.said
    for phase in ("schema_design", "data_access_layer", "data_integration"):
        assert phase in demonstrated.said
    assert demonstrated.rows()["stock_prices"] == 12_154
    assert all(count > 0 for count in demonstrated.rows().values())


def test_a_second_demo_runs_nothing(demonstrated: Demonstrated) -> None:
    with demonstrated.stack.airflow() as airflow:
        before = [run.run_id for run in airflow.runs("data_foundation")]
        second = demonstrated.stack.run_demo()
        after = [run.run_id for run in airflow.runs("data_foundation")]
    assert second.returncode == 0, second.stdout + second.stderr
    assert "nothing to do" in second.stdout
    assert after == before


def test_status_as_data(demonstrated: Demonstrated) -> None:
    done = demonstrated.stack.command("status", "--json")
    status = json.loads(done.stdout)
    assert done.returncode == 0
    assert status["latest_run"]["state"] == "success"
    assert status["lineage_events"] > 0
    assert status["import_errors"] == {}


def test_the_overview_tells_nine_criteria(demonstrated: Demonstrated) -> None:
    stack = demonstrated.stack
    headers = {"Authorization": f"Bearer {stack.token('viewer')}"}
    address = f"{stack.airflow_url}/groundwork/api/overview"
    answer = httpx.get(address, headers=headers, trust_env=False, timeout=ANSWER_SECONDS)
    assert answer.status_code == 200
    assert [criterion["state"] for criterion in criteria(answer.json())] == ["passed"] * 9
    assert httpx.get(address, trust_env=False, timeout=ANSWER_SECONDS).status_code == 401


def test_a_dry_run_explains_and_changes_nothing(demonstrated: Demonstrated) -> None:
    before = demonstrated.rows()
    run = demonstrated.triggered_run("data_foundation", domain="market", dry_run=True)
    assert run.state == "success"
    with demonstrated.stack.airflow() as airflow:
        states = {task.label: task.state for task in airflow.tasks("data_foundation", run.run_id)}
    assert states["schema_design.plan"] == "success"
    assert states["schema_design.apply"] == "skipped"
    assert states["data_integration.gate"] == "skipped"
    assert demonstrated.rows() == before
