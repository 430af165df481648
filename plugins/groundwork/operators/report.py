"""The operator that makes, keeps and returns the daily report of a domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundwork.operators.operator import GroundworkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class DailyReportOperator(GroundworkOperator):
    """Tell a domain's day from what is in the store, as Markdown; kept in the store, one per day."""

    def run(self, context: Context) -> str:
        """Return the report as Markdown."""
        from groundwork.insight.daily_report import daily_report
        from groundwork.insight.markdown import to_markdown
        from groundwork.store.base import utc_now
        from groundwork.store.report import Reports

        now = utc_now()
        made = daily_report(self.warehouse, self.store, self.contracts, now)
        markdown = to_markdown(made, now.date())
        Reports(self.store).keep(
            domain=made.domain, kind="daily", report_date=now.date(), markdown=markdown, fields=made.to_json()
        )
        self.log.info("%s", markdown)
        return markdown
