"""The scan for alarms as a task: each new finding opens or joins an incident, and people are told at once.

A finding is remembered after its incident was opened: a scan that dies between the two joins the same incident again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from groundwork.operators import connections
from groundwork.settings import STORE_CONNECTION, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.model.incident import Opening
    from groundwork.orbt.alarms.rules import Alarm
    from groundwork.store.incident import OpenedIncident

_log = logging.getLogger(__name__)


def scan_alarms(store_connection_id: str = STORE_CONNECTION) -> dict[str, object]:
    """Look for alarms and raise what is new: counts, and the rules that could not be looked at. Safe to repeat.

    Raises: ConfigError when the policy cannot be read; SQLAlchemyError when the store is away.
    """
    from groundwork.orbt.alarms.rules import read_alarm_policy
    from groundwork.orbt.alarms.scan import scan
    from groundwork.store.alarm import Alarms
    from groundwork.store.base import utc_now

    store = connections.engine(store_connection_id)
    found, failed = scan(store, read_alarm_policy(Settings.from_environment().policies), utc_now())
    known = Alarms(store).known((each.rule, each.subject, each.evidence) for each in found)
    new = [each for each in found if (each.rule, each.subject, each.evidence) not in known]
    opened = [_raise(store, each, store_connection_id) for each in new]
    return {
        "found": len(found),
        "new": len(new),
        "incidents_opened": sum(each.is_new for each in opened),
        "rules_that_failed": list(failed),
    }


def _raise(store: Engine, alarm: Alarm, store_connection_id: str) -> OpenedIncident:
    from groundwork.operators.incidents.escalation_run import start_escalation
    from groundwork.operators.incidents.notify import notify
    from groundwork.orbt.incidents.notifications import Event
    from groundwork.store.alarm import Alarms
    from groundwork.store.audit import AuditTrail
    from groundwork.store.incident import Incidents

    opening = opening_of(alarm)
    opened = Incidents(store).open(opening)
    if opened.is_new:
        AuditTrail(store).append(
            actor="orbt",
            action="alarm_raised",
            subject=alarm.subject,
            details={"incident_id": str(opened.id), "rule": alarm.rule, "kind": alarm.kind, "evidence": alarm.evidence},
        )
    if not opened.is_silenced:
        try:
            notify(str(opened.id), Event.ALARM, store_connection_id)
        except Exception:  # the incident is open, and `opened` is told when its escalation starts
            _log.exception("nobody could be told of the alarm %s", alarm.rule)
        start_escalation(opened.id)
    Alarms(store).keep(
        rule=alarm.rule,
        kind=alarm.kind,
        subject=alarm.subject,
        evidence=alarm.evidence,
        what=opening.what,
        incident_id=opened.id,
    )
    return opened


def opening_of(alarm: Alarm) -> Opening:
    """What opens the incident of an alarm; the cause is its rule and subject."""
    from groundwork.model.fault import Answer, EscalationReport, Urgency
    from groundwork.model.incident import Assessment, Opening, Severity
    from groundwork.orbt.alarms.rules import ALARM_REASON
    from groundwork.orbt.redaction import redact
    from groundwork.store.base import utc_now

    what, words = redact(alarm.what), alarm.kind.replace("_", " ")
    report = EscalationReport(
        domain=alarm.domain,
        issue_type=alarm.kind,
        business_impact=f"Alarm, {words}: {what}.",
        attempted_solutions=("none: a person is asked at once",),
        specialist_recommendations=(alarm.next_step,),
        cross_domain_impact="Not assessed: no task failed; what is recorded in the store raised this.",
        recommended_action=Answer.MARK_RESOLVED,
        urgency_level=Urgency.CRITICAL,
    )
    return Opening(
        cause=f"alarm:{alarm.rule}:{alarm.subject}",
        fault_class=alarm.kind,
        report=report,
        assessment=Assessment(severity=Severity.CRITICAL, reasons=(f"{ALARM_REASON} ({alarm.rule}): {words}",)),
        what=f"alarm {alarm.rule}: {what}",
        at=utc_now(),
        subject=alarm.subject,
        evidence=({"title": f"{alarm.rule}, {alarm.evidence}", "content": what},),
    )
