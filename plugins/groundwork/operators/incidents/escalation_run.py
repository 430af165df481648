"""The run of the Dag `escalation` that asks a person about one incident: started once, and ended when it is needless.

An incident may be answered on a page, on a command line or in Airflow's own request, and may close by itself while a
person is asked. The store's word counts; here Airflow's request is made to agree with it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from groundwork.model.fault import Answer
from groundwork.model.incident import is_asked
from groundwork.operators.airflow_api import api_session, has_api, instance_path

_log = logging.getLogger(__name__)
DAG_ID = "escalation"
TASK_ID = "ask"
_WAITING = ("awaiting_input", "deferred")


def run_id_of(incident_id: uuid.UUID | str) -> str:
    """The one run that asks about an incident."""
    return f"incident__{incident_id}"


def start_escalation(incident_id: uuid.UUID) -> bool:
    """Start the run that asks a person about an incident, from inside a task; true when it runs now or did before.

    Goes through the task's supervisor, as Airflow's own trigger operator does. Never raises: the sweep tries again.
    """
    return _trigger(incident_id, reset=False)


def restart_escalation(incident_id: uuid.UUID) -> bool:
    """Run the request of an incident again from its start, from inside a task: it sees what the store says by now."""
    return _trigger(incident_id, reset=True)


def end_request(incident: Mapping[str, Any]) -> str:
    """Answer Airflow's request about an incident (a row of `incident`) as the store has it; what became of it.

    `ended`: it was waiting and goes on now; `answered`: it had an answer already; `absent`: nobody is asked, or the
    run waits for nothing. Raises: ConfigError when the API does not let us; RetriableError when it is away.
    """
    path = f"{_ask_path(incident['id'])}/-1/hitlDetails"
    with api_session("to answer the request of an incident") as client:
        found = client.get(path)
        if found.status_code == 404:
            return "absent"
        detail = found.raise_for_status().json()
        if detail["response_received"]:
            return "answered"
        body = {"chosen_options": [option_for(incident, detail["options"])], "params_input": {}}
        done = client.patch(path, json=body)
        if done.status_code == 409:  # somebody answered in this moment
            return "answered"
        done.raise_for_status()
    return "ended"


def lost_answer(incident_id: uuid.UUID, before: datetime) -> Mapping[str, Any] | None:
    """What a person answered in Airflow before that moment while the task waits on as if nothing had been said.

    Airflow can lose the waking of a task; null when nothing was answered, or it goes its way. Raises: as `end_request`.
    """
    with api_session("to look after the request of an incident") as client:
        found = client.get(f"{_ask_path(incident_id)}/-1/hitlDetails")
        if found.status_code == 404:
            return None
        detail: Mapping[str, Any] = found.raise_for_status().json()
        if not detail["response_received"] or datetime.fromisoformat(detail["responded_at"]) >= before:
            return None
        state = client.get(_ask_path(incident_id)).raise_for_status().json()["state"]
    return detail if state in _WAITING else None


def start_by_api(incident_id: uuid.UUID | str) -> bool:
    """Start the run that asks about an incident through the API; false when it is there already.

    Raises: as `end_request`.
    """
    body = {"dag_run_id": run_id_of(incident_id), "logical_date": None, "conf": {"incident_id": str(incident_id)}}
    with api_session("to start the escalation") as client:
        done = client.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=body)
        if done.status_code == 409:
            return False
        done.raise_for_status()
    return True


def option_for(incident: Mapping[str, Any], options: list[str]) -> str:
    """What to answer Airflow's request: the store's answer where it is offered, else that nothing is to be done.

    Only the store's answer is carried out, whatever stands in the request.
    """
    wanted = incident["answer"]
    return wanted if wanted in options else Answer.MARK_RESOLVED.value


def settle(incident: Mapping[str, Any]) -> str:
    """Let the request of an answered or closed incident end, from inside a task: by the API, else by starting it anew.

    What was done, for people. Raises: as `end_request`.
    """
    is_over = incident["state"] == "answered" and not is_asked(incident)  # its run ended before it was opened again
    if has_api() and not is_over:
        ended = end_request(incident)
        if ended == "answered" and _is_stuck(incident["id"]):
            return "the request was started anew: Airflow had lost its answer"
        if ended != "absent" or incident["state"] == "resolved":
            return f"the request in Airflow: {ended}"
        return "the escalation was started" if start_by_api(incident["id"]) else "the escalation is under way"
    if incident["state"] == "open":
        return "nothing to settle"
    return "the escalation was started anew" if restart_escalation(incident["id"]) else "the escalation did not start"


def _is_stuck(incident_id: uuid.UUID) -> bool:
    """Whether the task still waits though its request has an answer, as Airflow can leave it; it is then cleared."""
    with api_session("to look after the request of an incident") as client:
        found = client.get(_ask_path(incident_id)).raise_for_status().json()
        if found["state"] not in _WAITING:
            return False
        body = {
            "dry_run": False, "dag_run_id": run_id_of(incident_id), "task_ids": [TASK_ID], "only_failed": False,
            "include_downstream": True, "reset_dag_runs": True,
        }  # fmt: skip
        client.post(f"/api/v2/dags/{DAG_ID}/clearTaskInstances", json=body).raise_for_status()
    return True


def _ask_path(incident_id: uuid.UUID | str) -> str:
    return instance_path(DAG_ID, run_id_of(incident_id), TASK_ID)


def _trigger(incident_id: uuid.UUID, *, reset: bool) -> bool:
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

    request = TriggerDagRun(
        dag_id=DAG_ID, run_id=run_id_of(incident_id), conf={"incident_id": str(incident_id)}, reset_dag_run=reset
    )
    try:
        answer = task_runner.SUPERVISOR_COMMS.send(request)
    except Exception as error:  # no supervisor, Dag unknown, API server away: all the same here
        _log.warning("the escalation could not be started now, the sweep will: %s", type(error).__name__)
        return False
    is_known = isinstance(answer, ErrorResponse) and answer.error.value == "DAGRUN_ALREADY_EXISTS"
    return is_known or not isinstance(answer, ErrorResponse)
