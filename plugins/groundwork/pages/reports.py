"""The newest reports, the daily one and the schema guardian's, from the store to the screen."""

from __future__ import annotations

from sqlalchemy import Engine

from groundwork.insight.guardian_report import KIND
from groundwork.pages.view import ReportView
from groundwork.store.report import Reports


def latest_report(store: Engine) -> ReportView | None:
    """The newest daily report of any domain."""
    row = Reports(store).latest()
    if row is None:
        return None
    title = f"{row['domain'].title()}, {row['report_date'].isoformat()}"
    return ReportView(title=title, markdown=row["markdown"], written_at=row["created_at"])


def latest_guardian_report(store: Engine) -> ReportView | None:
    """The schema guardian's newest report of any domain."""
    row = Reports(store).latest(kind=KIND)
    if row is None:
        return None
    title = f"Schema guardian, {row['domain'].title()}, {row['report_date'].isoformat()}"
    return ReportView(title=title, markdown=row["markdown"], written_at=row["created_at"])
