"""The newest daily report, from the store to the screen."""

from __future__ import annotations

from sqlalchemy import Engine

from groundwork.pages.view import ReportView
from groundwork.store.report import Reports


def latest_report(store: Engine) -> ReportView | None:
    """The newest daily report of any domain."""
    row = Reports(store).latest()
    if row is None:
        return None
    title = f"{row['domain'].title()}, {row['report_date'].isoformat()}"
    return ReportView(title=title, markdown=row["markdown"], written_at=row["created_at"])
