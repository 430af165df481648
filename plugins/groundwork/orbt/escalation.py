"""The report a person reads when ORBT gives up, and its form as Markdown.

Source: requirement O5, whose fields `groundwork.model.fault.EscalationReport` holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from groundwork.model.fault import Answer, EscalationReport, Strike, Urgency
from groundwork.orbt.patterns import Pattern


def escalation_report(strike: Strike, earlier: Sequence[Mapping[str, Any]], pattern: Pattern) -> EscalationReport:
    """The report for the strike on which a person is asked; `earlier` are rows of `strike`, oldest first."""
    tried = [_attempt(row["number"], row["fault_class"], row["delay_seconds"], row["remedies"]) for row in earlier]
    is_corrupt = any(strike.fault.sqlstate in trigger.sqlstates for trigger in pattern.escalate)
    return EscalationReport(
        domain=strike.impact.domain,
        issue_type=strike.fault.fault_class,
        business_impact=_business_impact(strike),
        attempted_solutions=tuple(tried) or ("none: a person is asked at once",),
        specialist_recommendations=pattern.recommendations + _left_to_people(pattern),
        cross_domain_impact=_cross_domain_impact(strike),
        recommended_action=pattern.recommended_action,
        urgency_level=Urgency.CRITICAL if strike.fault.sqlstate and is_corrupt else pattern.urgency,
    )


def options(recommended: Answer) -> list[str]:
    """What a person can answer, the recommended option first."""
    return [recommended.value, *(answer.value for answer in Answer if answer is not recommended)]


def markdown(incident: Mapping[str, Any], strikes: Sequence[Mapping[str, Any]] = ()) -> str:
    """An incident (a row of `incident`) as Markdown; text that came from an error is shown as code, never rendered."""
    report = incident["report"]
    lines = [
        f"**{_code(incident['dag_id'])} / {_code(incident['task_id'])}** failed: **{report['issue_type']}**, "
        f"urgency **{report['urgency_level']}**, domain {_code(report['domain'])}, "
        f"{len(incident['affected'])} task instance(s).",
        "",
        f"**Impact.** {report['business_impact']}",
        "",
        f"**Elsewhere.** {report['cross_domain_impact']}",
        "",
        "**What was tried**",
        *(f"- {line}" for line in report["attempted_solutions"]),
        "",
        "**What specialists recommend**",
        *(f"- {line}" for line in report["specialist_recommendations"]),
        "",
        f"**Recommended answer:** {_code(report['recommended_action'])}",
        "- `retry`: the failed task instances run again and their strikes count anew.",
        "- `mark_resolved`: nothing runs; the cause was dealt with by hand.",
        "- `ignore`: nothing runs; the failure is accepted.",
    ]
    if strikes:
        last = strikes[-1]
        told = str(last["message"]).replace("```", "'''")
        lines += ["", f"**Last error** ({_code(last['exception'])}):", "", "```text", told, "```"]
    return "\n".join(lines)


def _attempt(number: int, fault_class: str, delay: float | None, remedies: Sequence[Mapping[str, Any]]) -> str:
    done = "; ".join(f"{each['remedy']}: {each['report']}" for each in remedies) or "no remedy ran"
    waited = f", then tried again after {delay:.0f} s" if delay is not None else ""
    return f"strike {number} ({fault_class}): {done}{waited}"


def _left_to_people(pattern: Pattern) -> tuple[str, ...]:
    manual = [each.name for each in pattern.strike_1 + pattern.strike_2 if each.remedy is None]
    wanted = [name for name in dict.fromkeys(manual) if name != "retry with backoff"]
    return (f"Not done by itself, worth considering: {', '.join(wanted)}.",) if wanted else ()


def _business_impact(strike: Strike) -> str:
    impact, target = strike.impact, strike.task_try
    assets = f"{', '.join(impact.assets)} not refreshed" if impact.assets else "no asset is declared to depend on it"
    count = len(impact.downstream_tasks)
    waiting = f"{count} later task(s) of the Dag wait" if count else "no later task waits"
    return f"Run {target.run_id} of {target.dag_id} stopped at {target.task_id}: {assets}; {waiting}."


def _cross_domain_impact(strike: Strike) -> str:
    assets = strike.impact.assets
    if not assets:
        return "None known: the task declares no asset that other Dags could be scheduled on."
    return f"Dags that are scheduled on {', '.join(assets)} do not start until it is refreshed."


def _code(value: object) -> str:
    return f"`{str(value).replace('`', '')}`"
