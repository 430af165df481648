"""One incident for all that a target fails, where the target is known to have failed; else one for each task."""

from __future__ import annotations

import pytest

from groundwork.model.fault import Circumstances, Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.orbt.incidents.escalation import cause_of
from groundwork.orbt.patterns import Pattern
from groundwork.store.base import utc_now


@pytest.mark.parametrize(
    ("cause", "where", "expected"),
    [
        ("target", Circumstances(target="warehouse"), "target:away:warehouse"),
        ("target", Circumstances(target="warehouse", is_target_guessed=True), "task:away:loads/orders"),
        ("target", Circumstances(), "task:away:loads/orders"),
        ("task", Circumstances(target="warehouse"), "task:away:loads/orders"),
    ],
)
def test_what_a_strike_belongs_to(cause: str, where: Circumstances, expected: str) -> None:
    strike = Strike(
        task_try=TaskTry(dag_id="loads", run_id="r1", task_id="orders", try_number=1),
        fault=Fault(fault_class="away", exception="RuntimeError", message="gone"),
        impact=Impact(domain="market"),
        number=3,
        action=StrikeAction.ASK_PERSON,
        reason="the third strike",
        at=utc_now(),
        circumstances=where,
    )
    assert cause_of(strike, Pattern.model_validate({"name": "away", "description": "x", "cause": cause})) == expected
