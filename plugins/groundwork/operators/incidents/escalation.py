"""The third strike in Airflow: a run of the Dag `escalation` per incident asks a person and carries the answer out.

The run is started from the failing task through its supervisor; its run id comes from the incident, so that starting
twice starts one. A sweep, on a schedule, starts what could not be started and ends requests that are needless by now
(`groundwork.operators.incidents.escalation_sweep`).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from groundwork.model.fault import Answer
from groundwork.operators import connections
from groundwork.operators.incidents.answers import MOST_HOURS
from groundwork.operators.incidents.carry_out import carry_out, tell
from groundwork.operators.incidents.escalation_answer import person_of, record_answer
from groundwork.operators.incidents.escalation_run import DAG_ID, run_id_of, start_escalation
from groundwork.settings import STORE_CONNECTION

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.orbt.incidents.escalation import Means

__all__ = [
    "DAG_ID",
    "AskPersonOperator",
    "carry_out",
    "person_of",
    "record_answer",
    "run_id_of",
    "start_escalation",
    "sweep",
]
_log = logging.getLogger(__name__)


class AskPersonOperator(HITLOperator):
    """Show an incident's report to a person and wait for the decision; skipped when it was closed meanwhile.

    :param incident_id: the incident (templated)
    :param store_connection_id: Airflow connection of Groundwork's own database (templated)
    """

    template_fields: Sequence[str] = ("subject", "body", "incident_id", "store_connection_id")
    ui_color = "#f7d9c4"

    def __init__(self, *, incident_id: str, store_connection_id: str = STORE_CONNECTION, **kwargs: Any) -> None:
        kwargs.setdefault("subject", "A failure needs a decision")
        kwargs.setdefault("params", _questions(None))
        super().__init__(options=[answer.value for answer in Answer], **kwargs)
        self.incident_id = incident_id
        self.store_connection_id = store_connection_id

    def execute(self, context: Context) -> Any:
        """Put the report before the person, the recommended answer first.

        A try after the answer was given does not ask again: Airflow's scheduler can take a resumed task for lost
        (apache/airflow issue 71580) and try it anew.
        """
        from groundwork.operators.incidents.incident_means import means_of
        from groundwork.operators.retry_policy import StrikePolicy
        from groundwork.orbt.incidents.escalation import markdown, offered
        from groundwork.store.incident import Incidents
        from groundwork.store.strike import Strikes

        store = connections.engine(self.store_connection_id)
        incidents = Incidents(store)
        incident = incidents.get(uuid.UUID(self.incident_id))
        if incident["state"] == "resolved":
            incidents.settled(incident["id"])
            raise AirflowSkipException("the incident is resolved already: nothing to ask")
        if incident["state"] == "answered":
            return {"chosen_options": [incident["answer"]], "params_input": {}}
        strikes = Strikes(store).of_incident(incident)
        responder = StrikePolicy(store_connection_id=self.store_connection_id).responder()
        means = means_of(incident, strikes, responder)
        report, answers = incident["report"], offered(incident, means)
        self.subject = f"{report['urgency_level']}: {report['issue_type']} at {incident['subject']}"
        self.body = markdown(incident, strikes, answers, means)
        self.options = [answer.value for answer in answers]
        self.params = _questions(means)
        told = {"answers": self.options, "remedies": list(means.remedies), "alternatives": list(means.alternatives)}
        incidents.progress(incident["id"], "offered", told)
        tell(self.incident_id, "opened", self.store_connection_id)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Record the answer and hand it on."""
        answer = super().execute_complete(context, event)
        record_answer(self.incident_id, answer, self.store_connection_id)
        return answer

    def validate_params_input(self, params_input: Mapping[str, Any]) -> None:
        """Answers by script may leave out what they do not need; what is not asked for is left out too.

        Raising here would throw the answer itself away, and ask anew.
        """
        unknown = sorted(set(params_input) - set(self.params))
        if unknown:
            _log.warning("%s is not asked for and left out; there are %s", unknown, sorted(self.params))


def sweep(store_connection_id: str = STORE_CONNECTION) -> dict[str, int]:
    """Take in waiting strikes, start and end requests, escalate on; counts (see `escalation_sweep`)."""
    from groundwork.operators.incidents import escalation_sweep

    return escalation_sweep.sweep(store_connection_id)


def _questions(means: Means | None) -> Any:
    """What an answer may say besides: the remedy of run_remedy, the hours of silence."""
    from airflow.sdk.definitions.param import ParamsDict

    listed = {"enum": [*means.remedies, None]} if means is not None and means.remedies else {}
    remedy = Param(
        None, type=["null", "string"], title="Remedy", description="Which one `run_remedy` runs; empty for the first.",
        source="task", **listed,
    )  # fmt: skip
    hours = Param(
        None, type=["null", "number"], exclusiveMinimum=0, maximum=MOST_HOURS, title="Hours",
        description="How long `silence` lasts; empty for the usual time.", source="task",
    )  # fmt: skip
    return ParamsDict({"remedy": remedy, "hours": hours})
