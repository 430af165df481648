"""The operator that makes, keeps, sends and returns the daily report of a domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groundwork.operators.operator import GroundworkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.insight.daily_report import DailyReport


class DailyReportOperator(GroundworkOperator):
    """Tell a domain's day from what is in the store, as Markdown and HTML; kept in the store, one per day.

    It is sent where the policy of notifications routes `daily_report`: once per day, the first that was made.
    """

    def run(self, context: Context) -> str:
        """Return the report as Markdown."""
        from groundwork.contracts.declared_domains import declared_domains
        from groundwork.insight.daily_report import daily_report
        from groundwork.insight.html_report import to_html
        from groundwork.insight.markdown import to_markdown
        from groundwork.store.base import utc_now
        from groundwork.store.report import Reports

        now = utc_now()
        domains, broken = declared_domains(self.settings)
        for problem in broken:
            self.log.warning("%s", problem)
        made = daily_report(self.warehouse, self.store, self.contracts, now, domains=domains)
        markdown = to_markdown(made, now.date())
        title = f"Daily report: {made.domain}, {now.date().isoformat()}"
        html = to_html(markdown, title)
        Reports(self.store).keep(
            domain=made.domain,
            kind="daily",
            report_date=now.date(),
            markdown=markdown,
            fields=made.to_json(),
            html=html,
        )
        self.log.info("%s", markdown)
        self._send(made, title, markdown, html)
        return markdown

    def _send(self, made: DailyReport, title: str, markdown: str, html: str) -> None:
        """Hand the report to the channels; what they cannot take now is sent again by the Dag `alarms`."""
        from groundwork.operators.incidents.notify import deliver, link
        from groundwork.orbt.incidents.notifications import Event, Message, cut

        message = Message(
            subject=title,
            event=Event.DAILY_REPORT,
            domain=made.domain,
            title=title,
            text=cut(markdown),
            html=html,
            link=link("reports/latest"),
            facts=made.to_json(),
        )
        try:
            deliver(self.store, message)
        except Exception:  # the report itself is made and kept
            self.log.exception("the report could not be handed to its channels")
