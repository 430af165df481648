"""What nobody else does in time, done every few minutes by the Dag `escalation_sweep`.

Takes in strikes that wait, undoes what dead remedies left, starts requests that did not start, escalates on what nobody
answers, ends requests that are needless, sends again what could not be sent. A part that fails holds up no other; the
task fails at its end with what it could not do, so that somebody sees it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.model.incident import is_asked, open_since
from groundwork.operators import connections
from groundwork.operators.airflow_api import has_api
from groundwork.operators.incidents.carry_out import tell
from groundwork.operators.incidents.escalation_answer import record_answer
from groundwork.operators.incidents.escalation_run import lost_answer, restart_escalation, settle, start_escalation
from groundwork.operators.incidents.notify import send_again
from groundwork.orbt.incidents.escalation_in_force import escalation_policy_in_force
from groundwork.orbt.policy_check import healing_policies
from groundwork.settings import STORE_CONNECTION
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.incident_list import UNANSWERED, IncidentFilter

if TYPE_CHECKING:
    from groundwork.orbt.response import Responder

_log = logging.getLogger(__name__)
_MOST = 500  # incidents of one kind that one sweep looks at, of open ones the worst and oldest
_OPEN = IncidentFilter(stages=UNANSWERED)
_GRACE = timedelta(minutes=2)  # that an answered incident's own run has to carry the answer out


def sweep(store_connection_id: str = STORE_CONNECTION) -> dict[str, int]:
    """Do all parts; counts of what was done.

    Raises: RetriableError that names the parts that failed, when all others were done.
    """
    from groundwork.operators.retry_policy import StrikePolicy

    responder = StrikePolicy(store_connection_id=store_connection_id).responder()
    incidents = Incidents(responder.store())
    done: dict[str, int] = {}
    failed: list[str] = []
    parts: dict[str, Callable[[], int]] = {
        "strikes_taken_in": responder.take_in,
        "remedies_undone": lambda: _recover(responder),
        "open_incidents": lambda: incidents.count(_OPEN),
        "escalations_running": lambda: _start(incidents, store_connection_id),
        "escalated_on": lambda: _escalate_on(incidents, responder, store_connection_id),
        "answers_found_again": lambda: _find_again(incidents, store_connection_id),
        "silences_ended": lambda: _end_silences(incidents),
        "requests_settled": lambda: _settle(incidents, store_connection_id),
        "messages_sent_again": lambda: sum(each.state == "sent" for each in send_again(store_connection_id)),
        "policies_read": lambda: _require_policies(responder),
    }
    for name, part in parts.items():
        try:
            done[name] = part()
        except Exception as error:
            _log.exception("a part of the sweep failed: %s", name)
            failed.append(f"{name}: {type(error).__name__}")
    if failed:
        raise RetriableError("parts of the sweep failed", found="; ".join(failed), where=f"done: {done}")
    return done


def _require_policies(responder: Responder) -> int:
    """How many patterns and policies there are. Raises: ConfigError while one cannot be read, so that it is seen."""
    found = healing_policies(responder.project)
    wrong = [f"{each.file}: {each.problem.found}" for each in found if each.problem is not None]
    if wrong:
        raise ConfigError("policies cannot be read", found="; ".join(wrong), next_step="groundwork policies check")
    return len(found)


def _recover(responder: Responder) -> int:
    from groundwork.orbt.remedies.recover import recover

    return len(recover(responder.store(), responder.engine_of, responder.project, responder.home))


def _start(incidents: Incidents, store_connection_id: str) -> int:
    """Start the request of every open incident; people are told by that run, or here when it does not run."""
    started = 0
    for row in incidents.listed(_OPEN, _MOST):
        is_started = start_escalation(row["id"]) if is_asked(row) else restart_escalation(row["id"])
        started += is_started
        if not is_started or _is_untold(row, store_connection_id):
            tell(str(row["id"]), "opened", store_connection_id)
    return started


def _is_untold(incident: Mapping[str, Any], store_connection_id: str) -> bool:
    """Whether nobody has been told of an incident that is not quite new."""
    from groundwork.store.notification import Notifications

    if utc_now() - open_since(incident) < _GRACE:
        return False
    return not Notifications(connections.engine(store_connection_id)).of_subject(str(incident["id"]))


def _escalate_on(incidents: Incidents, responder: Responder, store_connection_id: str) -> int:
    """Raise the level of what waits too long, and tell those whom the level names; each level once."""
    policy = escalation_policy_in_force(responder.project / "governance" / "policies")
    raised, now = 0, utc_now()
    for row in incidents.listed(_OPEN, _MOST):
        level = policy.due_level(row, now)
        if level <= row["level"]:
            continue
        waited = int((now - open_since(row)).total_seconds() // 60)
        if incidents.raise_level(row["id"], level, f"escalated on to level {level}: no answer for {waited} min"):
            raised += 1
            channels = policy.levels[level - 1].channels
            tell(str(row["id"]), "escalated", store_connection_id, level=level, channels=channels)
    return raised


def _find_again(incidents: Incidents, store_connection_id: str) -> int:
    """Record answers that a person gave and Airflow lost; `_settle` lets their runs go on."""
    if not has_api():
        return 0
    found = 0
    for row in incidents.listed(_OPEN, _MOST):
        lost = lost_answer(row["id"], utc_now() - _GRACE)
        if lost is not None:
            found += record_answer(str(row["id"]), lost, store_connection_id)
    return found


def _end_silences(incidents: Incidents) -> int:
    """Close incidents whose answer was a silence that is over: what fails from now on opens a new one."""
    ended = 0
    for row in incidents.silenced_before(utc_now(), limit=_MOST):
        counted = f"; {row['silenced_strikes']} strike(s) were counted in it" if row["silenced_strikes"] else ""
        ended += incidents.resolve(row["id"], f"the silence is over{counted}", "orbt")
    return ended


def _settle(incidents: Incidents, store_connection_id: str) -> int:
    """End the requests of incidents that were answered or closed elsewhere; people are told of closed ones."""
    settled = 0
    for row in incidents.unsettled(limit=_MOST):
        if row["state"] == "answered" and utc_now() - row["answered_at"] < _GRACE:
            continue
        what = settle(row)
        _log.info("incident %s: %s", row["id"], what)
        settled += 1
        if row["state"] == "resolved":
            incidents.settled(row["id"])
            tell(str(row["id"]), "resolved", store_connection_id)
    return settled
