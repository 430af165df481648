"""The gate keeps evidence of every criterion and lets nothing pass that was not proven."""

from __future__ import annotations

import pytest

from groundwork.foundation.gate import Gate
from groundwork.model.errors import ConfigError, DataQualityError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import Phase
from groundwork.store.audit import AuditTrail
from groundwork.store.foundation import FoundationRuns
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
PHASE = Phase.SCHEMA_DESIGN


def verdict(*, passed: bool) -> CriterionResult:
    return CriterionResult(
        criterion="as measured",
        passed=passed,
        expected="no differences",
        found="none" if passed else "2 differences",
        how_measured="compared",
        operation=Operation(project="market", name="anything", step=1),
        next_step=None if passed else "groundwork compare-to-db market",
    )


@pytest.fixture
def gate(database: Database) -> Gate:
    migrate(database.engine)
    runs = FoundationRuns(database.engine)
    runs.start("run-1", "market", "warehouse", is_dry_run=False)
    runs.start_phase("run-1", PHASE)
    return Gate(
        phase=PHASE,
        domain="market",
        run_id="run-1",
        actor="test",
        runs=runs,
        audit=AuditTrail(database.engine),
    )


def all_criteria(failing: str | None = None) -> list[tuple[str, object]]:
    return [(name, lambda name=name: verdict(passed=name != failing)) for name in PHASE.criteria]


def test_all_criteria_hold(gate: Gate) -> None:
    results = gate.pass_or_fail(all_criteria())
    assert [result.criterion for result in results] == list(PHASE.criteria)
    assert [row["is_passed"] for row in gate.runs.criteria("run-1")] == [True, True, True]
    assert gate.runs.phases("run-1")[0]["state"] == "success"
    assert gate.audit.latest()[0]["action"] == "gate_passed"


def test_operation_ids_are_unique_within_the_gate(gate: Gate) -> None:
    gate.pass_or_fail(all_criteria())
    ids = [row["operation_id"] for row in gate.runs.criteria("run-1")]
    assert len(set(ids)) == 3
    assert ids[0] == "DATA.MARKET.SCHEMA_VALIDATED.GROUNDWORK.20000.100"


def test_a_failing_criterion_closes_the_gate_with_a_report(gate: Gate) -> None:
    with pytest.raises(DataQualityError) as caught:
        gate.pass_or_fail(all_criteria(failing="relationships_defined"))
    message = str(caught.value)
    for part in ("FAILS: relationships_defined", "no differences", "2 differences", "groundwork compare-to-db market"):
        assert part in message
    assert [row["is_passed"] for row in gate.runs.criteria("run-1")] == [True, False, True]
    assert gate.runs.phases("run-1")[0]["state"] == "failed"
    assert gate.audit.latest()[0]["action"] == "gate_closed"


def test_a_broken_measurement_is_a_finding(gate: Gate) -> None:
    def broken() -> CriterionResult:
        raise ConfigError("the warehouse is away", next_step="groundwork up")

    criteria = [*all_criteria()[:2], ("indexes_optimized", broken)]
    with pytest.raises(DataQualityError, match="groundwork up"):
        gate.pass_or_fail(criteria)
    assert "the warehouse is away" in gate.runs.criteria("run-1")[2]["found"]


def test_a_criterion_that_was_not_measured_closes_the_gate(gate: Gate) -> None:
    with pytest.raises(DataQualityError, match="indexes_optimized not measured"):
        gate.pass_or_fail(all_criteria()[:2])


def test_checking_again_after_a_repair_keeps_both_and_shows_the_last(gate: Gate) -> None:
    with pytest.raises(DataQualityError):
        gate.pass_or_fail(all_criteria(failing="schema_validated"))
    gate.runs.start_phase("run-1", PHASE)
    gate.pass_or_fail(all_criteria())
    assert all(row["is_passed"] for row in gate.runs.criteria("run-1"))
    assert gate.runs.phases("run-1")[0]["state"] == "success"
