"""What people do with an incident on its page: the only route of the pages that changes anything.

Who may answer requests of the Dag `escalation` in Airflow may do it here. The cookie of Airflow's UI counts as who
asks, so that a request must come from a page of this server: a browser tells by `Origin` and `Sec-Fetch-Site`, which no
other page can forge. A token in the header needs none of that, because no browser sends one by itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict

from groundwork.model.errors import GroundworkError
from groundwork.model.fault import Answer
from groundwork.operators.incidents.answers import IncidentDesk
from groundwork.operators.incidents.escalation_run import DAG_ID
from groundwork.pages.incident_requests import follow
from groundwork.pages.sources import Sources
from groundwork.store.incident import Incidents

_MAY_ACT = ("PUT", DagAccessEntity.HITL_DETAIL)
_LONGEST = 10_000  # characters of a text that is kept
_TOLD = {  # what was done → the word that its page tells of it
    "answer": "answered",
    "acknowledge": "acknowledged",
    "silence": "silenced",
    "resolve": "resolved",
    "reopen": "reopened",
    "comment": "commented",
    "review": "reviewed",
}
_TALK = ("acknowledge", "comment", "review")  # what Airflow's request has nothing to do with


def may_act(user: Any) -> bool:
    """Whether somebody may answer requests of the Dag `escalation`."""
    details = DagDetails(id=DAG_ID)
    return bool(
        get_auth_manager().is_authorized_dag(method="PUT", access_entity=_MAY_ACT[1], details=details, user=user)
    )


def sees_dags(user: Any) -> Callable[[str], bool]:
    """Whether somebody may read runs of a Dag, asked once per Dag."""
    known: dict[str, bool] = {}

    def may_see(dag_id: str) -> bool:
        if dag_id not in known:
            known[dag_id] = get_auth_manager().is_authorized_dag(
                method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=user
            )
        return known[dag_id]

    return may_see


def from_own_page(request: Request) -> None:
    """Refuse what another site's page makes a browser send."""
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        return
    origin, site = request.headers.get("origin", ""), request.headers.get("sec-fetch-site", "same-origin")
    is_own = urlsplit(origin).netloc in _own_hosts(request)
    if not is_own or site != "same-origin":
        raise HTTPException(403, "This request does not come from a page of this server.")


GUARDS = (
    Depends(requires_access_dag(*_MAY_ACT, param_dag_id=DAG_ID)),  # type: ignore[arg-type]  # a literal in a tuple
    Depends(from_own_page),
)


class IncidentForm(BaseModel):
    """What the forms of an incident's page send; what a form has not is empty."""

    model_config = ConfigDict(extra="forbid", str_max_length=_LONGEST)

    action: Literal["answer", "acknowledge", "silence", "resolve", "reopen", "comment", "review"]
    answer: Answer | None = None
    remedy: str = ""
    hours: str = ""
    because: str = ""
    comment: str = ""
    what_happened: str = ""
    cause: str = ""
    changed: str = ""


def act_on_incident(
    request: Request, incident_id: uuid.UUID, user: GetUserDep, form: Annotated[IncidentForm, Form()]
) -> RedirectResponse:
    """Do one thing and go back to the incident's page, which tells what became of it."""
    sources: Sources = request.app.state.sources
    incidents = Incidents(sources.store())
    row, may_see = incidents.find(incident_id), sees_dags(user)
    if row is None or not _may_see(row, may_see):
        raise HTTPException(404, f"There is no incident `{incident_id}`.")
    try:
        done = _do(IncidentDesk(sources.store()), incident_id, f"person:{user.get_name()}", form)
    except GroundworkError as error:
        raise HTTPException(400, f"{error.what} (expected {error.expected}, found {error.found}).") from error
    if done and form.action not in _TALK:
        follow(incidents.get(incident_id), user)
    told = _TOLD[form.action] if done else "late"
    if form.action == "reopen" and not done:
        instead = incidents.unanswered_of(row["cause"])
        if instead is not None and instead["id"] != incident_id and _may_see(instead, may_see):
            incident_id, told = instead["id"], "same_cause"
    return RedirectResponse(f"{request.scope['root_path']}/ui/incidents/{incident_id}?told={told}", status_code=303)


def _may_see(row: Mapping[str, Any], may_see: Callable[[str], bool]) -> bool:
    return not row["affected"] or any(may_see(each["dag_id"]) for each in row["affected"])


def _do(desk: IncidentDesk, incident_id: uuid.UUID, person: str, form: IncidentForm) -> bool:
    if form.action == "answer":
        if form.answer is None:
            raise HTTPException(400, "Which answer is it?")
        return desk.answer(incident_id, form.answer, person, remedy=form.remedy or None, hours=form.hours)
    if form.action == "acknowledge":
        return desk.acknowledge(incident_id, person)
    if form.action == "silence":
        return desk.silence(incident_id, person, 0 if form.hours == "0" else form.hours)
    others: dict[str, Callable[[], bool]] = {
        "resolve": lambda: desk.resolve(incident_id, person, form.because),
        "reopen": lambda: desk.reopen(incident_id, person, form.because).is_done,
        "comment": lambda: desk.comment(incident_id, person, form.comment),
    }
    if form.action in others:
        return others[form.action]()
    review = {"what_happened": form.what_happened, "cause": form.cause, "changed": form.changed}
    return desk.review(incident_id, person, review)


def _own_hosts(request: Request) -> set[str]:
    """The names this server is called by: what the browser asked for, and what Airflow is told of itself."""
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="") or ""
    return {request.headers.get("host", ""), urlsplit(base).netloc} - {""}
