"""A target that is dead for good: its breaker keeps its tasks waiting, and a person hears of it soon, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from groundwork.orbt.tries.breaker import BreakerPolicy
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.incident import Incidents
from groundwork.store.strike import Strikes
from tests.operators.fix_tries import begin, fail, gone, instance, migrated, states, store

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
__all__ = ["migrated", "store"]
_TASKS = 40


def _let_a_probe_go(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE groundwork.breaker SET retry_at = now() WHERE state = 'open'"))


def _next_round(engine: Engine, tries: dict[str, int]) -> list[str]:
    """What each task instance that may go does, those with the fewest tries first: it fails; the strikes' actions."""
    done = []
    for name, number in sorted(tries.items(), key=lambda each: each[1]):
        task = instance(number, task_id=name, max_tries=2)
        if begin(task) is None:
            done.append(str(fail(task, gone()).strike.action))
            tries[name] += 1
    return done


def test_forty_tasks_of_a_dead_database_ask_one_person_at_the_third_opening(store: Engine, tmp_path: Path) -> None:
    tries = {f"load_{number}": 1 for number in range(_TASKS)}
    assert _next_round(store, tries) == ["retry"] * 5, "the fifth failure opens the breaker, the others wait"
    asked = []
    for _ in range(4):
        _let_a_probe_go(store)
        asked.append(_next_round(store, tries))
    assert asked == [["retry"], ["ask_and_retry"], ["retry"], ["retry"]]
    (row,) = Incidents(store).latest()
    assert row["subject"] == "everything that uses shop"
    assert "its breaker opened 3 times" in row["timeline"][0]["what"]
    assert not list((tmp_path / "spool").glob("*"))


def test_the_incident_closes_when_the_target_is_back(store: Engine) -> None:
    from groundwork.operators.listener import on_task_instance_success

    tries = {f"load_{number}": 1 for number in range(6)}
    _next_round(store, tries)
    for _ in range(2):
        _let_a_probe_go(store)
        _next_round(store, tries)
    (row,) = Incidents(store).latest()
    assert row["state"] == "open"
    (hit,) = row["affected"]
    _let_a_probe_go(store)
    back = instance(tries[hit["task_id"]], task_id=hit["task_id"])
    assert begin(back) is None
    on_task_instance_success("running", back)
    assert Incidents(store).latest()[0]["state"] == "resolved"
    assert states(store)["connection:shop"] == ("closed", 0)
    newest = next(each for each in Strikes(store).latest() if each["task_id"] == hit["task_id"])
    assert (newest["action"], newest["outcome"]) == ("ask_and_retry", "healed")


def test_what_a_person_wants_to_hear_nothing_of_is_not_told(store: Engine) -> None:
    from groundwork.model.fault import Answer
    from groundwork.operators.incidents.answers import IncidentDesk

    tries = {f"load_{number}": 1 for number in range(8)}
    _next_round(store, tries)
    for _ in range(2):
        _let_a_probe_go(store)
        _next_round(store, tries)
    (row,) = Incidents(store).latest()
    assert IncidentDesk(store).answer(row["id"], Answer.SILENCE, "ann", hours=1)
    _let_a_probe_go(store)
    assert _next_round(store, tries) == ["retry"]
    assert len(Incidents(store).latest()) == 1


def test_asking_a_person_gives_the_probe_of_another_target_away(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = BreakerPolicy.model_validate({"default": {"threshold": 1, "ask_after_openings": 1}})
    monkeypatch.setattr("groundwork.orbt.tries.breaker.breaker_policy_in_force", lambda _: policy)
    Breakers(store).failed("connection:copy", by="x", rule=BreakerRule(threshold=1), reason="gone")
    _let_a_probe_go(store)
    task = instance(other_conn_id="copy")
    assert begin(task) is None
    assert str(fail(task, gone()).strike.action) == "ask_and_retry"
    with store.connect() as connection:
        given_away = text("SELECT probe_until <= now() FROM groundwork.breaker WHERE target = 'connection:copy'")
        assert connection.execute(given_away).scalar_one()
