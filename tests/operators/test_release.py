"""A release as its Dag runs it: gates measured task by task, and a decision that blocks until a person overrides."""

from __future__ import annotations

import pytest

from groundwork.foundation.release.gates import override_gate
from groundwork.model.errors import DataQualityError
from groundwork.operators.release import DecideReleaseOperator, OpenReleaseOperator, ReleaseGateOperator
from groundwork.store.release import Releases
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_RUN = "test_dag/manual__2026-01-01T00:00:00+00:00"
_GATES = ("schema_reviewed", "data_validated", "backup_verified")


def test_a_release_is_blocked_and_told_why_until_a_person_answers_for_it(place: Place) -> None:
    place.make_tables()
    assert place.execute(OpenReleaseOperator(task_id="begin", domain="market")) == _RUN
    found = {gate: place.execute(ReleaseGateOperator(task_id=gate, domain="market", gate=gate)) for gate in _GATES}
    assert {gate: result["is_passed"] for gate, result in found.items()} == {
        "schema_reviewed": True,
        "data_validated": False,
        "backup_verified": False,  # the role of the warehouse may not make databases
    }
    decide = DecideReleaseOperator(task_id="decide", domain="market", gates=_GATES)
    with pytest.raises(DataQualityError, match="never validated") as caught:
        place.execute(decide)
    assert "CREATEDB" in str(caught.value)
    for gate in ("data_validated", "backup_verified"):
        override_gate(
            place.store, "market", gate, person="Ana Lima", reason="tried by hand today", actor="test", hours=1
        )
    passed = place.execute(decide)
    assert passed["is_passed"]
    assert set(passed["overridden"]) == {"data_validated", "backup_verified"}
    (release,) = Releases(place.store).latest(["market"])
    assert (release["run_id"], release["state"]) == (_RUN, "passed")


def test_a_gate_that_was_not_measured_blocks(place: Place) -> None:
    place.execute(OpenReleaseOperator(task_id="begin", domain="market"))
    with pytest.raises(DataQualityError, match="not measured"):
        place.execute(DecideReleaseOperator(task_id="decide", domain="market", gates=("schema_reviewed",)))
