"""Mistyped patterns and policies through the real retry policy: each failure is struck, the third asks a person."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from sqlalchemy import Engine

from groundwork.model.errors import RetriableError
from groundwork.store.incident import Incidents
from groundwork.store.strike import Strikes
from tests.operators.fix_tries import instance, migrated, states, store

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
__all__ = ["migrated", "store"]
_GOVERNANCE = Path(__file__).parents[2] / "governance"


@pytest.fixture
def governance(store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Patterns and policies of a project, of which each can be made wrong."""
    shutil.copytree(_GOVERNANCE, tmp_path / "project" / "governance")
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path / "project"))
    return tmp_path / "project" / "governance"


def mistype(*paths: Path) -> None:
    for path in paths:
        path.write_text(path.read_text(encoding="utf-8") + "\nbackof: {base_seconds: 1}\n", encoding="utf-8")


def three_tries(error: BaseException) -> list[RetryAction]:
    tries = (instance(number) for number in (1, 2, 3))
    return [each.task.retry_policy.evaluate(error, each.try_number, 2, {"ti": each}).action for each in tries]


@pytest.mark.parametrize(
    ("broken", "error", "expected"),
    [
        (["patterns/unknown.yaml"], ValueError("x"), "programming_error"),
        (["patterns/unknown.yaml"], RuntimeError("nobody knows"), "unknown"),
        (["patterns/connection_failures.yaml"], psycopg.OperationalError("server closed"), "unknown"),
        (["patterns/unknown.yaml", "patterns/connection_failures.yaml"], ConnectionResetError(), "unknown"),
    ],
)
def test_a_mistyped_pattern_costs_no_strike(
    store: Engine, governance: Path, broken: list[str], error: BaseException, expected: str
) -> None:
    mistype(*(governance / name for name in broken))
    actions = three_tries(error)
    rows = list(reversed(Strikes(store).latest()))
    assert {row["fault_class"] for row in rows} == {expected}
    assert (actions[-1], rows[-1]["action"]) == (RetryAction.FAIL, "ask_person")
    assert [row["number"] for row in rows] == [1, 2, 3]
    (incident,) = Incidents(store).latest()
    assert (incident["state"], incident["report"]["issue_type"]) == ("open", expected)


def test_with_every_policy_mistyped_strikes_breakers_and_the_person_are_there(store: Engine, governance: Path) -> None:
    mistype(*(governance / "policies").glob("*.yaml"))
    error = psycopg.OperationalError("connection to server failed: Connection refused")
    assert three_tries(error) == [RetryAction.RETRY, RetryAction.RETRY, RetryAction.FAIL]
    rows = list(reversed(Strikes(store).latest()))
    assert [row["action"] for row in rows] == ["retry", "retry", "ask_person"]
    assert {each["report"] for each in rows[0]["remedies"]} == {"could not: this policy cannot be read"}
    assert states(store) == {"connection:shop": ("closed", 3)}
    assert Incidents(store).latest()[0]["report"]["issue_type"] == "connection_failures"


def test_the_sweep_does_its_work_and_says_which_files_are_wrong(store: Engine, governance: Path) -> None:
    from groundwork.operators.incidents.escalation_sweep import sweep

    assert sweep()["policies_read"] > 0
    mistype(governance / "patterns" / "unknown.yaml", governance / "policies" / "escalation.yaml")
    three_tries(RuntimeError("x"))
    with pytest.raises(RetriableError) as caught:
        sweep()
    assert caught.value.found == "policies_read: ConfigError"
    assert "'open_incidents': 1" in str(caught.value.where)


def test_an_answer_can_be_given(store: Engine, governance: Path) -> None:
    from groundwork.model.fault import Answer
    from groundwork.operators.incidents.answers import IncidentDesk

    mistype(governance / "patterns" / "unknown.yaml", governance / "policies" / "escalation.yaml")
    three_tries(RuntimeError("x"))
    (incident,) = Incidents(store).latest()
    assert IncidentDesk(store).answer(incident["id"], Answer.SILENCE, "ann")
