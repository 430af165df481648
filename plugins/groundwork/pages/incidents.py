"""Incidents that wait for a person, from the store to the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine

from groundwork.pages.view import IncidentView
from groundwork.store.incident import Incidents


def open_incidents(store: Engine) -> tuple[IncidentView, ...]:
    """Incidents that wait for a person, newest first."""
    return tuple(_incident(row) for row in Incidents(store).latest(state="open"))


def _incident(row: Mapping[str, Any]) -> IncidentView:
    report = row["report"]
    return IncidentView(
        id=str(row["id"]),
        domain=row["domain"],
        issue_type=str(report.get("issue_type") or row["fault_class"]),
        urgency=str(report.get("urgency_level", "")),
        state=row["state"],
        recommended_action=str(report.get("recommended_action", "")),
        business_impact=str(report.get("business_impact", "")),
        subject=f"{row['dag_id']}.{row['task_id']}",
        opened_at=row["opened_at"],
    )
