"""The daily report in Markdown: status, findings, issues, recommendations, and what no domain owns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from groundwork.insight.daily_report import BOOKS, DailyReport
from groundwork.model.health import State

_MOST_DAGS = 20  # of what no domain owns, those with most strikes


def to_markdown(report: DailyReport, report_date: date) -> str:
    """The report as Markdown that reads well as plain text too; ends in a newline."""
    sections = (
        [f"# Daily report: {report.domain}, {report_date.isoformat()}"],
        ["## Status", *_status(report)],
        ["## Findings", *_findings(report)],
        ["## Issues", *_issues(report)],
        ["## Recommendations", *_recommendations(report)],
        ["## Elsewhere", *_elsewhere(report.orbt_status["elsewhere"])],
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
    yield (
        f"- State: **{status['state']}** ({_plain(status['reason'])}); "
        f"latest run {_code(status['latest_run'])}: {status['latest_run_state']}"
    )
    yield f"- Deliverables completed: {', '.join(map(_code, report.deliverables_completed)) or 'none'}"
    ready = report.handoff_readiness
    yield f"- Ready for hand-off: {'yes' if ready['is_ready'] else 'no'}" + (
        f"; missing {', '.join(map(_code, ready['missing']))}" if ready["missing"] else ""
    )
    orbt = report.orbt_status
    yield (
        f"- Last 24 hours: {orbt['strikes']} strikes, {orbt['healed']} healed, {orbt['escalated']} escalated; "
        f"{_open(orbt)}"
    )
    states = Counter(each["state"] for each in orbt["states"].values())
    if states:
        told = ", ".join(f"{states[name]} in {name}" for name in map(str, State) if states[name])
        yield f"- Datasets and pipelines: {told}"
    if status["missing_parts"]:
        yield f"- Could not be read for this report: {', '.join(status['missing_parts'])}"


def _open(orbt: Mapping[str, Any]) -> str:
    by_severity = ", ".join(f"{count} {name}" for name, count in orbt["open_by_severity"].items())
    return f"{orbt['open_incidents']} incidents open" + (f" ({by_severity})" if by_severity else "")


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
    yield from _healing(report.orbt_status)
    knowledge = report.institutional_knowledge_captured
    healed = ", ".join(f"{name} ({count})" for name, count in knowledge["remedies_that_healed"].items()) or "none yet"
    yield (
        f"- Kept: {knowledge['decisions']} decisions, {knowledge['audit_events']} audit events, "
        f"{knowledge['incidents_answered']} answered incidents; remedies that healed: {healed}"
    )


def _healing(orbt: Mapping[str, Any]) -> Iterator[str]:
    for name, seconds in orbt["mean_seconds_to_resolve"].items():
        yield f"- Incidents of {_code(name)}, last 30 days: resolved after {_duration(seconds)} on average"
    if orbt["remedies"]:
        yield ""
        yield "| remedy, last 30 days | healed | ran | success rate |"
        yield "|---|---:|---:|---|"
        for name, told in orbt["remedies"].items():
            rate = f"{told['at_least_pct']:.0f} to {told['at_most_pct']:.0f} %"
            yield f"| {_code(name)} | {told['healed']} | {told['ran']} | {rate} |"
        yield ""


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _issues(report: DailyReport) -> Iterator[str]:
    orbt = report.orbt_status
    if not (report.blocking_issues or orbt["breakers"] or orbt["warnings"]):
        yield "None."
    for issue in report.blocking_issues:
        yield f"- **{_plain(issue['what'])}**: {_plain(issue['found'])}"
    for breaker in orbt["breakers"]:
        yield f"- **breaker of {_plain(breaker['target'])} is {breaker['state']}**: {_plain(breaker['reason'] or '')}"
    for warning in orbt["warnings"]:
        yield f"- **early warning for {_plain(warning['subject'])}**: {_plain(warning['told'])}"


def _elsewhere(told: Mapping[str, Any]) -> Iterator[str]:
    """Open incidents that no domain owns, and Dags by their strikes of the last day."""
    if not told:
        yield "Could not be read."
        return
    dags, severities = told["dags"], told["open_by_severity"]
    if not (dags or severities):
        yield "Nothing that no domain owns."
    if severities:
        counted = ", ".join(f"{count} {name}" for name, count in severities.items())
        yield f"- {sum(severities.values())} incidents open that no domain owns ({counted})"
    if dags:
        total = sum(each["strikes"] for each in dags)
        yield f"- Last 24 hours: {total} strikes in {len(dags)} Dags that no domain owns"
        yield ""
        yield "| Dag, last 24 hours | strikes | healed | escalated |"
        yield "|---|---:|---:|---:|"
        for each in dags[:_MOST_DAGS]:
            yield f"| {_code(each['dag_id'])} | {each['strikes']} | {each['healed']} | {each['escalated']} |"
        if len(dags) > _MOST_DAGS:
            yield f"| and {len(dags) - _MOST_DAGS} more | | | |"


def _recommendations(report: DailyReport) -> Iterator[str]:
    steps = [f"- {_plain(issue['next_step'])}" for issue in report.blocking_issues]
    if report.orbt_status["breakers"]:
        steps.append("- See why the breakers opened: the page Health shows them with their reasons.")
    if report.orbt_status["warnings"]:
        steps.append("- Look at the page Health before the warnings come true.")
    if report.orbt_status["elsewhere"].get("open_by_severity", {}).get("critical"):
        steps.append("- Answer the critical incidents that no domain owns: the page Incidents lists them.")
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
