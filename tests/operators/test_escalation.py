"""What the escalation does with a person's answer, on a real store; Airflow itself is asked elsewhere."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.model.fault import Answer
from groundwork.model.incident import Severity
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.notification import Notifications
from groundwork.store.strike import Strikes
from tests.operators.fix_escalation import ANSWER, Api, failed_task
from tests.pages import seed

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]


def test_an_answer_is_recorded_once_and_audited(store: Engine, incident_id: str) -> None:
    from groundwork.operators.incidents.escalation import carry_out, record_answer

    assert record_answer(incident_id, ANSWER)
    assert not record_answer(incident_id, {**ANSWER, "chosen_options": ["retry"]})
    assert carry_out(incident_id) == "ignored by a person"
    assert carry_out(incident_id).endswith("nothing was done")
    row = Incidents(store).get(uuid.UUID(incident_id))
    assert (row["state"], row["answer"], row["answered_by"]) == ("resolved", "ignore", "person:ann")
    assert [row["actor"] for row in AuditTrail(store).latest()] == ["person:ann", "orbt"]


def test_nothing_is_carried_out_that_nobody_decided(incident_id: str) -> None:
    from groundwork.operators.incidents.escalation import carry_out

    with pytest.raises(ConfigError, match="nobody has decided"):
        carry_out(incident_id)


def test_what_is_answered_elsewhere_ends_the_request_in_airflow(store: Engine, incident_id: str, api: Api) -> None:
    from groundwork.operators.incidents.answers import IncidentDesk
    from groundwork.operators.incidents.escalation_run import end_request

    incidents, known = Incidents(store), uuid.UUID(incident_id)
    assert IncidentDesk(store).answer(known, Answer.IGNORE, "cli:ann")
    assert end_request(incidents.get(known)) == "absent"
    api.request = {"response_received": False, "options": ["retry", "mark_resolved"]}
    assert end_request(incidents.get(known)) == "ended"
    assert api.request["chosen"] == ["mark_resolved"], "ignore was not offered; the store's answer counts all the same"
    assert end_request(incidents.get(known)) == "answered"


def test_an_answer_that_airflow_lost_is_found_again_and_its_run_goes_on(
    store: Engine, incident_id: str, api: Api
) -> None:
    from groundwork.operators.incidents import escalation_sweep
    from groundwork.operators.incidents.escalation_run import settle

    incidents, known = Incidents(store), uuid.UUID(incident_id)
    assert escalation_sweep._find_again(incidents, "groundwork_store") == 0, "nobody is asked"
    waits = api.instances.setdefault(
        f"/api/v2/dags/escalation/dagRuns/incident__{incident_id}/taskInstances/ask", {"state": "running"}
    )
    api.request = {
        **ANSWER, "options": ["ignore"], "response_received": True, "responded_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert escalation_sweep._find_again(incidents, "groundwork_store") == 0, "it goes its way"
    waits.update(state="awaiting_input")
    assert escalation_sweep._find_again(incidents, "groundwork_store") == 1
    row = incidents.get(known)
    assert (row["answer"], row["answered_by"]) == ("ignore", "person:ann")
    assert "started anew" in settle(row)
    (body,) = [body for method, path, body in api.calls if path.endswith("/clearTaskInstances")]
    assert (body["task_ids"], body["dag_run_id"]) == (["ask"], f"incident__{incident_id}")


def test_the_sweep_escalates_on_and_ends_needless_requests(
    store: Engine, incident_id: str, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents import escalation_sweep
    from groundwork.operators.retry_policy import StrikePolicy

    incidents, known, responder = Incidents(store), uuid.UUID(incident_id), StrikePolicy().responder()
    assert escalation_sweep._escalate_on(incidents, responder, "groundwork_store") == 0
    with monkeypatch.context() as later:
        later.setattr(escalation_sweep, "utc_now", lambda: utc_now() + timedelta(hours=3))
        assert escalation_sweep._escalate_on(incidents, responder, "groundwork_store") == 1
        assert escalation_sweep._escalate_on(incidents, responder, "groundwork_store") == 0
    row = incidents.get(known)
    assert row["level"] == 1
    assert any(entry["what"].startswith("escalated on to level 1") for entry in row["timeline"])
    incidents.resolve(known, "the task succeeded", "orbt")
    api.request = {"response_received": False, "options": ["retry", "mark_resolved"]}
    assert escalation_sweep._settle(incidents, "groundwork_store") == 1
    assert api.request["chosen"] == ["mark_resolved"]
    assert escalation_sweep._settle(incidents, "groundwork_store") == 0


def test_of_more_than_one_sweep_can_look_at_it_takes_the_worst_and_oldest(
    store: Engine, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents import escalation_sweep

    Incidents(store).raise_severity(uuid.UUID(incident_id), Severity.CRITICAL, "a test")
    seed.alike_incidents(store, 3)
    started: list[str] = []
    monkeypatch.setattr(escalation_sweep, "_MOST", 1)
    monkeypatch.setattr(escalation_sweep, "start_escalation", lambda known: started.append(str(known)) or True)
    escalation_sweep._start(Incidents(store), "groundwork_store")
    assert started == [incident_id]


def test_the_sweep_tells_what_no_run_told(store: Engine, incident_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.operators.incidents import escalation_sweep

    told: list[tuple[str, str]] = []
    monkeypatch.setattr(escalation_sweep, "start_escalation", lambda _: True)
    monkeypatch.setattr(escalation_sweep, "tell", lambda known, event, _: told.append((known, event)))
    incidents = Incidents(store)
    assert escalation_sweep._start(incidents, "groundwork_store") == 1
    assert told == [], "its run has a moment to tell"
    monkeypatch.setattr(escalation_sweep, "utc_now", lambda: utc_now() + timedelta(minutes=5))
    escalation_sweep._start(incidents, "groundwork_store")
    assert told == [(incident_id, "opened")]
    Notifications(store).plan(subject=incident_id, event="opened", level=0, channel="mail", message={}, now=utc_now())
    escalation_sweep._start(incidents, "groundwork_store")
    assert told == [(incident_id, "opened")]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way the sweep had the runs of incidents begin."""
    from groundwork.operators.incidents import escalation_run, escalation_sweep

    found: list[str] = []
    for name in ("start_escalation", "restart_escalation"):
        for module in (escalation_run, escalation_sweep):
            monkeypatch.setattr(module, name, lambda _, name=name: found.append(name) or True)
    monkeypatch.setattr(escalation_run, "has_api", lambda: True)
    return found


def test_the_sweep_asks_again_about_what_was_opened_again(
    store: Engine, incident_id: str, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents import escalation_sweep

    incidents, known = Incidents(store), uuid.UUID(incident_id)
    assert incidents.resolve(known, "it seemed over", "person:ann")
    incidents.settled(known)
    assert incidents.reopen(known, "it was not", "person:bea").is_done
    assert escalation_sweep._start(incidents, "groundwork_store") == 1
    assert calls == ["restart_escalation"], "its run ended when it was closed"
    assert incidents.answer(known, Answer.IGNORE, "person:ann")
    with monkeypatch.context() as later:
        later.setattr(escalation_sweep, "utc_now", lambda: utc_now() + timedelta(hours=1))
        assert escalation_sweep._settle(incidents, "groundwork_store") == 1
    assert calls == ["restart_escalation"] * 2, "an answer that no run asked for is carried out as well"


def test_what_was_opened_again_and_asked_about_is_left_to_its_run(
    store: Engine, incident_id: str, calls: list[str]
) -> None:
    from groundwork.operators.incidents import escalation_sweep

    incidents, known = Incidents(store), uuid.UUID(incident_id)
    incidents.resolve(known, "it seemed over", "person:ann")
    incidents.reopen(known, "it was not", "person:bea")
    incidents.progress(known, "offered", ["ignore"])
    escalation_sweep._start(incidents, "groundwork_store")
    assert calls == ["start_escalation"]


def test_how_long_nobody_answered_counts_from_the_last_opening(
    store: Engine, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents import escalation_sweep
    from groundwork.operators.retry_policy import StrikePolicy

    incidents, known = Incidents(store), uuid.UUID(incident_id)
    with store.begin() as connection:
        connection.execute(text("UPDATE groundwork.incident SET opened_at = opened_at - interval '1 day'"))
    incidents.resolve(known, "it seemed over", "person:ann")
    incidents.reopen(known, "it was not", "person:bea")
    monkeypatch.setattr(escalation_sweep, "utc_now", lambda: utc_now() + timedelta(hours=3))
    assert escalation_sweep._escalate_on(incidents, StrikePolicy().responder(), "groundwork_store") == 1
    told = [str(entry["what"]) for entry in incidents.get(known)["timeline"]]
    assert any(each.startswith("escalated on to level 1: no answer for 18") for each in told), told


def test_a_part_of_the_sweep_that_fails_holds_up_no_other(
    store: Engine, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents import escalation_sweep
    from groundwork.orbt.response import Responder

    def fails(*_: object) -> int:
        raise OSError("the disk is full")

    monkeypatch.setattr(Responder, "take_in", fails)
    with pytest.raises(RetriableError) as caught:
        escalation_sweep.sweep()
    assert "strikes_taken_in: OSError" in str(caught.value)
    assert "'open_incidents': 1" in str(caught.value)


def test_an_api_that_refuses_is_told_with_the_next_step(store: Engine, incident_id: str, api: Api) -> None:
    from groundwork.operators.incidents.escalation import carry_out, record_answer

    api.status = 403
    record_answer(incident_id, {**ANSWER, "chosen_options": ["retry"]})
    with pytest.raises(ConfigError) as caught:
        carry_out(incident_id)
    assert "403" in str(caught.value)
    assert "airflow_api" in str(caught.value)
    assert Incidents(store).get(uuid.UUID(incident_id))["state"] == "answered"


def test_an_api_that_is_away_is_worth_another_try(
    store: Engine, incident_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.incidents.escalation import carry_out, record_answer

    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", "http://a:b@127.0.0.1:1")
    record_answer(incident_id, {**ANSWER, "chosen_options": ["retry"]})
    with pytest.raises(RetriableError):
        carry_out(incident_id)


def test_a_closed_incident_is_not_asked_about_and_an_answered_one_not_again(store: Engine, incident_id: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from groundwork.operators.incidents.escalation import AskPersonOperator, carry_out, record_answer

    ask = AskPersonOperator(task_id="ask", incident_id=incident_id)
    record_answer(incident_id, ANSWER)
    assert ask.execute({})["chosen_options"] == ["ignore"]
    carry_out(incident_id)
    with pytest.raises(AirflowSkipException):
        ask.execute({})


def test_a_killed_worker_is_a_strike_once_and_a_person_setting_the_state_is_none(store: Engine) -> None:
    from groundwork.operators import listener

    lost = failed_task(try_number=1)
    lost.state = "up_for_retry"
    for _ in range(2):
        listener.on_task_instance_failed(previous_state="running", task_instance=lost, error="heartbeat timed out")
    by_hand = failed_task(try_number=2)
    listener.on_task_instance_failed(previous_state=None, task_instance=by_hand, error="set to failed by hand")
    foreign = failed_task(try_number=2, has_retry_policy=False)
    listener.on_task_instance_failed(previous_state="running", task_instance=foreign, error="heartbeat timed out")
    (row,) = Strikes(store).latest()
    assert (row["fault_class"], row["try_number"], row["action"]) == ("worker_lost", 1, "retry")


def test_a_task_that_was_queued_anew_too_soon_is_not_lost(store: Engine) -> None:
    from groundwork.operators import listener

    told = (
        "Executor LocalExecutor(parallelism=4) reported that the task instance <TaskInstance: load.prices r 1> "
        "finished with state {}, but the task instance's state attribute is queued."
    )
    waiting = failed_task(try_number=1)
    waiting.state = "up_for_retry"
    listener.on_task_instance_failed(previous_state="running", task_instance=waiting, error=told.format("success"))
    assert Strikes(store).latest() == []
    listener.on_task_instance_failed(previous_state="running", task_instance=waiting, error=told.format("failed"))
    assert [row["fault_class"] for row in Strikes(store).latest()] == ["worker_lost"]


def test_a_worker_lost_for_good_opens_an_incident(store: Engine) -> None:
    from groundwork.operators import listener

    listener.on_task_instance_failed(previous_state="running", task_instance=failed_task(), error="heartbeat timed out")
    assert Incidents(store).latest("open")[0]["fault_class"] == "worker_lost"


def test_the_sweep_takes_in_what_waits(store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from groundwork.operators.incidents.escalation import sweep
    from groundwork.operators.retry_policy import forget_engines

    instance = failed_task()
    with monkeypatch.context() as away:
        away.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", "postgres://a:b@127.0.0.1:1/x")
        forget_engines()
        decision = instance.task.retry_policy.evaluate(ConnectionResetError("gone"), 3, 2, {"ti": instance})
        assert decision.action.value == "fail"
        forget_engines()
    assert len(list((tmp_path / "spool").iterdir())) == 1
    done = sweep()
    assert (done["strikes_taken_in"], done["open_incidents"], done["escalations_running"]) == (1, 1, 0)
    assert len(Incidents(store).latest("open")) == 1


def test_a_strike_that_nothing_can_keep_is_left_to_airflow(
    store: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from groundwork.operators.retry_policy import forget_engines

    instance = failed_task()
    (tmp_path / "file").touch()
    with monkeypatch.context() as away:
        away.setenv("GROUNDWORK_HOME", str(tmp_path / "file" / "home"))
        away.setenv("AIRFLOW_CONN_GROUNDWORK_STORE", "postgres://a:b@127.0.0.1:1/x")
        forget_engines()
        assert instance.task.retry_policy.evaluate(RuntimeError(), 1, 2, {"ti": instance}).action.value == "default"
        forget_engines()
    assert instance.task.retry_policy.evaluate(RuntimeError(), 1, 2, None).action.value == "default"


def test_a_project_that_is_not_there_costs_no_strike(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDWORK_PROJECT", "/nowhere")
    instance = failed_task()
    assert instance.task.retry_policy.evaluate(RuntimeError(), 1, 2, {"ti": instance}).action.value == "retry"
    assert [row["fault_class"] for row in Strikes(store).latest()] == ["unknown"]


def test_the_dags_read_like_their_flow() -> None:
    import importlib.util

    path = Path(__file__).parents[2] / "dags" / "escalation.py"
    spec = importlib.util.spec_from_file_location("escalation_dag", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.escalation.dag_id == "escalation"
    assert module.escalation.get_task("ask").downstream_task_ids == {"carry_out"}
    assert module.escalation.get_task("ask").retries == 5
    assert min(module.escalation.max_active_runs, module.escalation.max_active_tasks) >= 1000, (
        "an incident that nobody answers must not keep others from being told"
    )
    assert module.escalation_sweep.task_ids == ["sweep"]
    assert module.escalation_sweep.max_active_runs == 1
