"""What opens an incident, the report a person reads when ORBT gives up, what can be answered, and that as Markdown.

Source: requirement O5, whose fields `groundwork.model.fault.EscalationReport` holds; severity, owners and evidence
stand beside the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from groundwork.model.fault import Answer, EscalationReport, Strike
from groundwork.model.incident import Assessment, Opening
from groundwork.orbt.incidents.severity import urgency_of
from groundwork.orbt.patterns import Pattern

MEANINGS = {
    Answer.RETRY: "the failed task instances run again and their strikes count anew.",
    Answer.RETRY_ON_ALTERNATIVE: "they run again on what is declared instead of the target that failed.",
    Answer.RUN_REMEDY: "a remedy that you name runs, then the failed task instances run again.",
    Answer.SKIP: "the failed task instances count as done without their work; what waits for them goes on.",
    Answer.MARK_RESOLVED: "nothing runs; the cause was dealt with by hand.",
    Answer.SILENCE: "nothing runs, and the same cause opens nothing new for the hours that you name.",
    Answer.IGNORE: "nothing runs; the failure is accepted.",
}
_ERROR_LENGTH = 200  # characters of an error in one line
_MOST_EVIDENCE = 10  # results of remedies in the Markdown, the newest


@dataclass(frozen=True, kw_only=True)
class Means:
    """What there is to carry an answer out: remedies by name, `alternatives` in words, a way to set states."""

    remedies: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    can_skip: bool = False


def cause_of(strike: Strike, pattern: Pattern) -> str:
    """The key of the incident that a strike belongs to: all that one target fails for, else one task's class."""
    name, target, at = strike.fault.fault_class, strike.circumstances.target, strike.task_try
    if pattern.cause == "target" and target and not strike.circumstances.is_target_guessed:
        return f"target:{name}:{target}"
    return f"task:{name}:{at.dag_id}/{at.task_id}"


def opening(strike: Strike, earlier: Sequence[Mapping[str, Any]], pattern: Pattern, assessment: Assessment) -> Opening:
    """What opens the incident of a strike on which a person is asked; `earlier` are rows of `strike`, oldest first."""
    cause, where = cause_of(strike, pattern), strike.circumstances
    target = None if where.is_target_guessed else where.target
    is_shared = cause.startswith("target:")
    return Opening(
        cause=cause,
        fault_class=strike.fault.fault_class,
        report=escalation_report(strike, earlier, pattern, assessment),
        assessment=assessment,
        what=f"{strike.reason} ({_error(strike)})",
        at=strike.at,
        task_try=strike.task_try,
        target=target,
        subject=f"everything that uses {target}" if is_shared else None,
    )


def _error(strike: Strike) -> str:
    """The error in one line."""
    name, message = strike.fault.exception.rpartition(".")[2], strike.fault.message.strip()
    first = message.splitlines()[0] if message else ""
    told = first if len(first) <= _ERROR_LENGTH else f"{first[:_ERROR_LENGTH]}…"
    return f"{name}: {told}" if told else name


def escalation_report(
    strike: Strike, earlier: Sequence[Mapping[str, Any]], pattern: Pattern, assessment: Assessment
) -> EscalationReport:
    """The report; `earlier` are rows of `strike`, oldest first."""
    tried = [_attempt(row["number"], row["fault_class"], row["delay_seconds"], row["remedies"]) for row in earlier]
    if strike.remedies:
        results = [{"remedy": each.remedy, "report": each.report} for each in strike.remedies]
        tried.append(_attempt(strike.number, strike.fault.fault_class, None, results))
    is_corrupt = strike.fault.sqlstate is not None and any(
        strike.fault.sqlstate in trigger.sqlstates for trigger in pattern.escalate
    )
    return EscalationReport(
        domain=strike.impact.domain,
        issue_type=strike.fault.fault_class,
        business_impact=_business_impact(strike, assessment),
        attempted_solutions=tuple(tried) or ("none: a person is asked at once",),
        specialist_recommendations=pattern.recommendations + _left_to_people(pattern),
        cross_domain_impact=_cross_domain_impact(strike, assessment),
        recommended_action=pattern.recommended_action,
        urgency_level=urgency_of(pattern.urgency, assessment.severity, is_corrupt=is_corrupt),
    )


def offered(incident: Mapping[str, Any], means: Means) -> list[Answer]:
    """What can be answered about an incident (a row of `incident`), the recommended answer first.

    Only what there are means for; running tasks again needs tasks that failed.
    """
    has_tasks = bool(incident["affected"])
    makes_sense = {
        Answer.RETRY: has_tasks,
        Answer.RETRY_ON_ALTERNATIVE: has_tasks and bool(means.alternatives),
        Answer.RUN_REMEDY: has_tasks and bool(means.remedies),
        Answer.SKIP: has_tasks and means.can_skip,
    }
    possible = [answer for answer in Answer if makes_sense.get(answer, True)]
    recommended = Answer(incident["report"]["recommended_action"])
    return sorted(possible, key=lambda answer: answer is not recommended)


def remedies_of(pattern: Pattern) -> tuple[str, ...]:
    """The remedies that a pattern names, those of the first strike first."""
    named = (each.remedy for each in pattern.strike_1 + pattern.strike_2)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def markdown(
    incident: Mapping[str, Any],
    strikes: Sequence[Mapping[str, Any]] = (),
    answers: Sequence[Answer] = tuple(Answer),
    means: Means | None = None,
) -> str:
    """An incident (a row of `incident`) as Markdown; text that came from an error is shown as code, never rendered."""
    report, assessment = incident["report"], incident["assessment"]
    lines = [
        f"**{_code(incident['subject'])}** failed: **{report['issue_type']}**, severity **{incident['severity']}**, "
        f"urgency **{report['urgency_level']}**, domain {_code(report['domain'])}, "
        f"{len(incident['affected'])} task instance(s).",
        "",
        f"**Impact.** {report['business_impact']}",
        "",
        f"**Elsewhere.** {report['cross_domain_impact']}",
        "",
        f"**Why {incident['severity']}.** {'; '.join(assessment.get('reasons', ())) or 'not assessed'}.",
        f"**Owners.** {', '.join(map(_code, assessment.get('owners', ()))) or 'none declared'}",
        "",
        "**What was tried**",
        *(f"- {line}" for line in report["attempted_solutions"]),
        "",
        "**What specialists recommend**",
        *(f"- {line}" for line in report["specialist_recommendations"]),
        "",
        f"**Recommended answer:** {_code(report['recommended_action'])}",
        *(f"- {_code(answer)}: {MEANINGS[answer]}{_choices(answer, means)}" for answer in answers),
    ]
    lines += _evidence(incident, strikes)
    if strikes:
        last = strikes[-1]
        lines += ["", f"**Last error** ({_code(last['exception'])}):", *_block(str(last["message"]))]
    return "\n".join(lines)


def _choices(answer: Answer, means: Means | None) -> str:
    if means is None:
        return ""
    if answer is Answer.RUN_REMEDY:
        return f" One of {', '.join(map(_code, means.remedies))}."
    return f" Declared: {'; '.join(means.alternatives)}." if answer is Answer.RETRY_ON_ALTERNATIVE else ""


def _evidence(incident: Mapping[str, Any], strikes: Sequence[Mapping[str, Any]]) -> list[str]:
    told = [(str(each.get("title", "found")), str(each.get("content", ""))) for each in incident["evidence"]]
    for row in strikes:
        for result in row["remedies"]:
            changes = [f"changed: {each['what']}" for each in result.get("changes", ()) if not each.get("is_undone")]
            told.append((f"{result['remedy']}, strike {row['number']}", "\n".join([result["report"], *changes])))
    if not told:
        return []
    lines = ["", "**Evidence**"]
    for title, content in told[-_MOST_EVIDENCE:]:
        lines += ["", f"{_code(title)}:", *_block(content)]
    return lines


def _block(text: str) -> list[str]:
    return ["", "```text", text.replace("```", "'''"), "```"]


def _attempt(number: int, fault_class: str, delay: float | None, remedies: Sequence[Mapping[str, Any]]) -> str:
    done = "; ".join(f"{each['remedy']}: {each['report']}" for each in remedies) or "no remedy ran"
    waited = f", then tried again after {delay:.0f} s" if delay is not None else ""
    return f"strike {number} ({fault_class}): {done}{waited}"


def _left_to_people(pattern: Pattern) -> tuple[str, ...]:
    manual = [each.name for each in pattern.strike_1 + pattern.strike_2 if each.remedy is None]
    wanted = [name for name in dict.fromkeys(manual) if name != "retry with backoff"]
    return (f"Not done by itself, worth considering: {', '.join(wanted)}.",) if wanted else ()


def _business_impact(strike: Strike, assessment: Assessment) -> str:
    impact, target = strike.impact, strike.task_try
    assets = f"{', '.join(impact.assets)} not refreshed" if impact.assets else "no asset is declared to depend on it"
    count = len(impact.downstream_tasks)
    waiting = f"{count} later task(s) of the Dag wait" if count else "no later task waits"
    promised = f"; promised: {', '.join(assessment.promises)}" if assessment.promises else ""
    return f"Run {target.run_id} of {target.dag_id} stopped at {target.task_id}: {assets}; {waiting}{promised}."


def _cross_domain_impact(strike: Strike, assessment: Assessment) -> str:
    assets = strike.impact.assets
    readers = f" Read by {', '.join(assessment.consumers)}." if assessment.consumers else ""
    if not assets:
        return readers.strip() or "None known: the task declares no asset that other Dags could be scheduled on."
    return f"Dags that are scheduled on {', '.join(assets)} do not start until it is refreshed.{readers}"


def _code(value: object) -> str:
    return f"`{str(value).replace('`', '')}`"
