"""Incidents that wait for a person, from the store to the overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from groundwork.pages.incidents_page import MaySee, visible_dags
from groundwork.pages.view import IncidentView, OpenIncidents
from groundwork.store.incident import Incidents
from groundwork.store.incident_list import UNANSWERED, IncidentFilter

_MOST = 5  # that are told at length; all of them are on the page `Incidents`


def open_incidents(store: Engine, may_see: MaySee | None = None) -> OpenIncidents:
    """Incidents that wait for a person, the worst first, then the oldest; `may_see` null is for who may see all."""
    incidents, dags = Incidents(store), None if may_see is None else visible_dags(store, may_see)
    tally = incidents.tally(IncidentFilter(dags=dags))
    worst = incidents.listed(IncidentFilter(stages=UNANSWERED, dags=dags), _MOST) if tally.open else ()
    return OpenIncidents(total=tally.open, oldest_at=tally.oldest_at, worst=tuple(map(_incident, worst)))


def _incident(row: Mapping[str, Any]) -> IncidentView:
    report = row["report"]
    return IncidentView(
        id=str(row["id"]),
        domain=row["domain"],
        issue_type=str(report.get("issue_type") or row["fault_class"]),
        severity=row["severity"],
        urgency=str(report.get("urgency_level", "")),
        state=row["state"],
        recommended_action=str(report.get("recommended_action", "")),
        business_impact=str(report.get("business_impact", "")),
        subject=row["subject"],
        opened_at=row["opened_at"],
    )
