"""The daily report in Markdown: status, findings, issues, recommendations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from groundwork.insight.daily_report import BOOKS, DailyReport


def to_markdown(report: DailyReport, report_date: date) -> str:
    """The report as Markdown that reads well as plain text too; ends in a newline."""
    sections = (
        [f"# Daily report: {report.domain}, {report_date.isoformat()}"],
        ["## Status", *_status(report)],
        ["## Findings", *_findings(report)],
        ["## Issues", *_issues(report)],
        ["## Recommendations", *_recommendations(report)],
    )
    return "\n\n".join("\n".join(_spaced(section)) for section in sections) + "\n"


def _spaced(section: list[str]) -> Iterator[str]:
    heading, *lines = section
    yield heading
    if lines:
        yield ""
        yield from lines


def _status(report: DailyReport) -> Iterator[str]:
    status = report.project_status
    yield f"- State: **{status['state']}**; latest run {_code(status['latest_run'])}: {status['latest_run_state']}"
    yield f"- Deliverables completed: {', '.join(map(_code, report.deliverables_completed)) or 'none'}"
    ready = report.handoff_readiness
    yield f"- Ready for hand-off: {'yes' if ready['is_ready'] else 'no'}" + (
        f"; missing {', '.join(map(_code, ready['missing']))}" if ready["missing"] else ""
    )
    orbt = report.orbt_status
    yield (
        f"- Last 24 hours: {orbt['strikes']} strikes, {orbt['healed']} healed, {orbt['escalated']} escalated; "
        f"{orbt['open_incidents']} incidents open"
    )


def _findings(report: DailyReport) -> Iterator[str]:
    rows = report.project_status["rows"]
    parts = " + ".join(f"{rows[name]:,} {name}" for name in BOOKS[1:])
    yield f"- Rows of the newest loads: {rows['read']:,} read = {parts}"
    quality = report.quality_metrics
    overall = "not measured" if quality["overall_pct"] is None else f"{quality['overall_pct']:.2f} %"
    fails = f"{quality['failed_checks']} of {quality['checks']} checks fail"
    yield f"- Quality: {overall} over {len(quality['tables'])} tables; {fails}"
    if quality["tables"]:
        yield ""
        yield "| table | score |"
        yield "|---|---:|"
        for table, score in quality["tables"].items():
            yield f"| {_code(table)} | {'not measured' if score is None else f'{score:.2f} %'} |"
        yield ""
    yield (
        f"- Classification: {quality['columns_classified']} columns, "
        f"{quality['classification_differences']} where detection and contract differ"
    )
    for assignment in report.specialist_assignments:
        yield (
            f"- {assignment['specialist']}: {assignment['decisions']} decisions on {assignment['task']}, "
            f"by {assignment['decided_by']}"
        )
    knowledge = report.institutional_knowledge_captured
    healed = ", ".join(f"{name} ({count})" for name, count in knowledge["remedies_that_healed"].items()) or "none yet"
    yield (
        f"- Kept: {knowledge['decisions']} decisions, {knowledge['audit_events']} audit events, "
        f"{knowledge['incidents_answered']} answered incidents; remedies that healed: {healed}"
    )


def _issues(report: DailyReport) -> Iterator[str]:
    if not report.blocking_issues:
        yield "None."
    for issue in report.blocking_issues:
        yield f"- **{_plain(issue['what'])}**: {_plain(issue['found'])}"


def _recommendations(report: DailyReport) -> Iterator[str]:
    steps = [f"- {_plain(issue['next_step'])}" for issue in report.blocking_issues]
    if report.quality_metrics["overall_pct"] is None:
        steps.append("- Run the Dag `validation`: no quality was measured yet.")
    if not report.quality_metrics["columns_classified"]:
        steps.append("- Run the Dag `governance`: no column was classified yet.")
    elif report.quality_metrics["classification_differences"]:
        steps.append("- Settle the columns where detection and contract differ: change the contract or override.")
    if report.project_status["state"] == "build":
        steps.append("- Run the Dag `data_foundation` to the end.")
    yield from dict.fromkeys(steps) or ["- Nothing to do."]


def _code(text: object) -> str:
    return f"`{str(text).replace('`', '')}`" if text else "none"


def _plain(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown or HTML would act on."""
    folded = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in folded)
