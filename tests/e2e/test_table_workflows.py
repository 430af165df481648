"""Tables in a running Airflow: made, changed with a person's approval, and watched by the schema guardian."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from groundwork.store.decision import Decisions
from groundwork.store.report import Reports
from groundwork.store.table_workflow import TableWorkflows
from tests.e2e.fix_workshop import Workshop

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]
_NOTES = "SELECT count(note) FROM market.strategies"  # fails where there is no such column


@pytest.fixture(scope="module", autouse=True)
def dags(workshop: Workshop) -> Iterator[None]:
    """Both workflows, and the guardian."""
    with workshop.dag_files("new_table.py", "change_column.py", "schema_guardian.py"):
        yield


def _start_change(workshop: Workshop) -> tuple[str, dict[str, Any]]:
    """A run that would take the column `note` away: its id, and what it asks."""
    run_id = workshop.start("change_column", table="strategies", accept=["loss"])
    return run_id, workshop.question("change_column", run_id, "approve")


def _answered(workshop: Workshop, run_id: str, option: str) -> str:
    """How the run ended after a person's answer."""
    workshop.answer("change_column", run_id, "approve", option)
    return workshop.ended("change_column", run_id)


def test_the_strategy_registry_is_made(workshop: Workshop) -> None:
    run_id = workshop.start("new_table", table="strategies")
    assert workshop.ended("new_table", run_id) == "success", workshop.tasks("new_table", run_id)
    assert set(workshop.tasks("new_table", run_id).values()) == {"success"}
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'market'"
    assert workshop.values(columns) == [8]
    kept = TableWorkflows(workshop.store).get(f"new_table/{run_id}")
    assert kept is not None
    assert kept["state"] == "success"
    recorded = [each for each in Decisions(workshop.store).latest() if each.run_id == f"new_table/{run_id}"]
    assert {"table_design", "index_design", "change_approval"} <= {each.kind.value for each in recorded}
    assert all(each.reasoning for each in recorded)


def test_a_lossy_change_waits_for_a_person(workshop: Workshop) -> None:
    workshop.run("ALTER TABLE market.strategies ADD COLUMN note text", "DROP INDEX market.strategies_priority_idx")
    run_id, shown = _start_change(workshop)
    assert "DROP COLUMN" in shown["body"]
    assert "CREATE INDEX CONCURRENTLY" in shown["body"]
    assert shown["options"] == ["Approve", "Reject"]
    assert workshop.values(_NOTES) == [0]  # nothing happens before the answer
    assert _answered(workshop, run_id, "Approve") == "success", workshop.tasks("change_column", run_id)
    decisions = [each for each in Decisions(workshop.store).latest() if each.run_id == f"change_column/{run_id}"]
    (decision,) = [each for each in decisions if each.decided_by.startswith("person:")]
    assert (decision.choice, decision.subject) == ("Approve", "market.strategies")
    steps = {row["step"]: row for row in TableWorkflows(workshop.store).steps(f"change_column/{run_id}")}
    patterns = {each["pattern"]: each for each in steps["query_tests"]["found"]["patterns"]}
    assert patterns["strategies_by_priority"]["after"]["indexes"] == ["strategies_priority_idx"]
    assert {each["passed"] for each in steps["verify_sync"]["found"]["criteria"]} == {True}


def test_a_rejected_change_changes_nothing(workshop: Workshop) -> None:
    workshop.run("ALTER TABLE market.strategies ADD COLUMN note text")
    run_id, _ = _start_change(workshop)
    assert _answered(workshop, run_id, "Reject") == "failed"
    states = workshop.tasks("change_column", run_id)
    assert states["approve"] == "failed"
    assert states["apply"] == "upstream_failed"
    assert workshop.values(_NOTES) == [0]
    kept = TableWorkflows(workshop.store).get(f"change_column/{run_id}")
    assert kept is not None
    assert kept["state"] == "failed"


def test_the_guardian_tells_what_differs_and_changes_nothing(workshop: Workshop) -> None:
    run_id = workshop.start("schema_guardian")  # the column `note` is left from the change that was rejected
    assert workshop.ended("schema_guardian", run_id) == "success", workshop.tasks("schema_guardian", run_id)
    assert set(workshop.tasks("schema_guardian", run_id).values()) == {"success"}
    kept = Reports(workshop.store).latest("market", "guardian")
    assert kept is not None
    assert kept["fields"]["run_id"] == f"schema_guardian/{run_id}"
    checks = {check["name"]: check for check in kept["fields"]["checks"]}
    assert {name: check["state"] for name, check in checks.items()} == {
        "validate_schema": "fine",
        "compare_to_db": "found",
        "explain_migration": "found",
        "check_rules": "fine",
        "contract_diff": "fine",
    }, checks["check_rules"]
    assert "extra column note of market.strategies" in checks["compare_to_db"]["lines"]
    assert "Schema guardian: market" in workshop.page("/ui/reports/latest")
    assert workshop.values(_NOTES) == [0]


def test_the_guardian_fails_by_policy_after_its_report(workshop: Workshop) -> None:
    run_id = workshop.start("schema_guardian", fail_on="findings")
    assert workshop.ended("schema_guardian", run_id) == "failed"
    states = workshop.tasks("schema_guardian", run_id)
    assert {name for name, state in states.items() if state == "failed"} == {"explain_migration", "report"}
    kept = Reports(workshop.store).latest("market", "guardian")
    assert kept is not None
    assert kept["fields"]["run_id"] == f"schema_guardian/{run_id}"
    assert "**1 of 5 checks failed.**" in kept["markdown"]
