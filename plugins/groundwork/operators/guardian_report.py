"""The last task of the schema guardian: one report of what the others found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException

from groundwork.operators.guardian import SUMMARY
from groundwork.operators.operator import GroundworkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.insight.guardian_report import CheckSummary


class GuardianReportOperator(GroundworkOperator):
    """Put what the checks found into one report, keep it in the store (one per domain and day), and judge the run.

    Fails after the report is kept when a check failed or did not finish, so that the run's state tells it.

    :param checks: ids of the tasks whose summaries are told, in the order of telling
    :param when_needed: those of them that skip themselves when there is nothing to do, and the check that says so
    """

    operation_kind: ClassVar[str] = "schema"

    def __init__(self, *, checks: Sequence[str], when_needed: dict[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.checks = list(checks)
        self.when_needed = dict(when_needed or {})

    def run(self, context: Context) -> dict[str, Any]:
        """Return the report as data."""
        from groundwork.insight.guardian_report import KIND, GuardianReport
        from groundwork.store.base import utc_now
        from groundwork.store.report import Reports

        report = GuardianReport(
            domain=self.domain,
            made_at=utc_now(),
            run_id=f"{context['ti'].dag_id}/{context['ti'].run_id}",
            checks=tuple(self._summaries(context)),
        )
        markdown = report.to_markdown()
        Reports(self.store).keep(
            domain=self.domain,
            kind=KIND,
            report_date=report.made_at.date(),
            markdown=markdown,
            fields=report.to_json(),
        )
        self.log.info("%s", markdown)
        if report.refused:
            told = "\n".join(f"{check.name}: {check.state}: {check.told}" for check in report.refused)
            raise AirflowFailException(f"{len(report.refused)} of {len(report.checks)} checks failed\n{told}")
        return report.to_json()

    def _summaries(self, context: Context) -> list[CheckSummary]:
        from groundwork.insight.guardian_report import check_summary

        pull = context["ti"].xcom_pull
        left = {name: pull(task_ids=name, key=SUMMARY) for name in self.checks}
        found = []
        for name, summary in left.items():
            asked = left.get(self.when_needed.get(name, ""))
            is_skipped = asked is not None and asked["findings"] == 0
            found.append(check_summary(name, summary, is_skipped=is_skipped))
        return found
