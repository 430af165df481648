"""The third strike in Airflow: a run of the Dag `escalation` per incident asks a person and carries the answer out.

The run is started from the failing task through its supervisor; its run id comes from the incident, so that starting
twice starts one. A sweep, on a schedule, starts what could not be started and takes in strikes that wait in the spool.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer
from groundwork.operators import connections
from groundwork.operators.airflow_api import clear_failed
from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk import Context

_log = logging.getLogger(__name__)
DAG_ID = "escalation"


class AskPersonOperator(HITLOperator):
    """Show an incident's report to a person and wait for the decision; skipped when it was closed meanwhile.

    :param incident_id: the incident (templated)
    :param store_connection_id: Airflow connection of Groundwork's own database (templated)
    """

    template_fields: Sequence[str] = ("subject", "body", "incident_id", "store_connection_id")
    ui_color = "#f7d9c4"

    def __init__(self, *, incident_id: str, store_connection_id: str = STORE_CONNECTION, **kwargs: Any) -> None:
        kwargs.setdefault("subject", "A failure needs a decision")
        super().__init__(options=[answer.value for answer in Answer], **kwargs)
        self.incident_id = incident_id
        self.store_connection_id = store_connection_id

    def execute(self, context: Context) -> Any:
        """Put the report before the person, the recommended answer first.

        A try after the answer was given does not ask again: Airflow's scheduler can take a resumed task for lost
        (apache/airflow issue 71580) and try it anew.
        """
        from groundwork.orbt.escalation import markdown, options
        from groundwork.store.incident import Incidents
        from groundwork.store.strike import Strikes

        store = connections.engine(self.store_connection_id)
        incident = Incidents(store).get(uuid.UUID(self.incident_id))
        if incident["state"] == "resolved":
            raise AirflowSkipException("the incident is resolved already: nothing to ask")
        if incident["state"] == "answered":
            return {"chosen_options": [incident["answer"]], "params_input": {}}
        report = incident["report"]
        self.subject = (
            f"{report['urgency_level']}: {report['issue_type']} at {incident['dag_id']} / {incident['task_id']}"
        )
        self.body = markdown(incident, Strikes(store).of_incident(incident))
        self.options = options(Answer(report["recommended_action"]))
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer and hand it on."""
        answer = super().execute_complete(context, event)
        record_answer(self.incident_id, answer, self.store_connection_id)
        return answer


def start_escalation(incident_id: uuid.UUID) -> bool:
    """Start the run that asks a person about an incident, from inside a task; true when it runs now or did before.

    Goes through the task's supervisor, as Airflow's own trigger operator does. Never raises: the sweep tries again.
    """
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

    request = TriggerDagRun(dag_id=DAG_ID, run_id=run_id_of(incident_id), conf={"incident_id": str(incident_id)})
    try:
        answer = task_runner.SUPERVISOR_COMMS.send(request)
    except Exception as error:  # no supervisor, Dag unknown, API server away: all the same here
        _log.warning("the escalation could not be started now, the sweep will: %s", type(error).__name__)
        return False
    is_known = isinstance(answer, ErrorResponse) and answer.error.value == "DAGRUN_ALREADY_EXISTS"
    return is_known or not isinstance(answer, ErrorResponse)


def run_id_of(incident_id: uuid.UUID | str) -> str:
    """The one run that asks about an incident."""
    return f"incident__{incident_id}"


def record_answer(incident_id: str, answer: Mapping[str, Any], store_connection_id: str = STORE_CONNECTION) -> bool:
    """Record and audit a person's answer; false, and nothing changed, when the incident was not open any more.

    `answer` is what Airflow's human-in-the-loop operators return.
    """
    from groundwork.store.audit import AuditTrail
    from groundwork.store.incident import Incidents

    store = connections.engine(store_connection_id)
    incidents = Incidents(store)
    incident = incidents.get(uuid.UUID(incident_id))
    decided, person = Answer(answer["chosen_options"][0]), person_of(answer)
    is_new = incidents.answer(incident["id"], decided, person)
    if is_new:
        AuditTrail(store).append(
            actor=person,
            action="incident_answered",
            subject=f"{incident['dag_id']}.{incident['task_id']}",
            details={"incident_id": incident_id, "answer": decided.value, "affected": incident["affected"]},
        )
    return is_new


def carry_out(incident_id: str, store_connection_id: str = STORE_CONNECTION) -> str:
    """Do what the person decided; what was done, for people. Safe to repeat.

    Raises: ConfigError when nobody has decided or Airflow refuses to run the failed tasks again; RetriableError when
    Airflow does not answer. The incident then stays answered.
    """
    from groundwork.store.incident import Incidents

    incidents = Incidents(connections.engine(store_connection_id))
    incident = incidents.get(uuid.UUID(incident_id))
    if incident["state"] == "resolved":
        return "the incident was resolved meanwhile; nothing was done"
    if incident["answer"] is None:
        raise ConfigError("nobody has decided about this incident", where=incident_id, found=incident["state"])
    if Answer(incident["answer"]) is Answer.RETRY:
        done = clear_failed(incident)
        incidents.note(incident["id"], done, "orbt")
        return done
    what = "marked resolved by a person" if incident["answer"] == Answer.MARK_RESOLVED else "ignored by a person"
    incidents.resolve(incident["id"], what, incident["answered_by"])
    return what


def sweep(store_connection_id: str = STORE_CONNECTION) -> dict[str, int]:
    """Take in waiting strikes and start the escalation of every open incident that has none; counts of both."""
    from groundwork.operators.retry_policy import StrikePolicy
    from groundwork.orbt.response import StrikeBook
    from groundwork.store.incident import Incidents

    responder = StrikePolicy(store_connection_id=store_connection_id).responder()
    store = responder.store()
    drained = responder.spool.drain(StrikeBook(store, responder.patterns).keep)
    started = [start_escalation(row["id"]) for row in Incidents(store).latest("open", limit=100)]
    return {"strikes_taken_in": drained, "open_incidents": len(started), "escalations_running": sum(started)}


def person_of(answer: Mapping[str, Any]) -> str:
    """Who answered a human-in-the-loop request, as the audit trail names people."""
    user = answer.get("responded_by_user") or {}
    name = user.get("name") or user.get("id") if isinstance(user, Mapping) else getattr(user, "name", None)
    return f"person:{name or 'unknown'}"
