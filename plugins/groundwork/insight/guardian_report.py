"""The schema guardian's report of a domain: what each of its checks found on one day, as data and as Markdown.

Owns the words, not the checks: it is told the summaries that they left. A check without a summary did not finish, and
that is said, because silence would look like health.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

KIND = "guardian"  # of report in the store


@dataclass(frozen=True, kw_only=True)
class CheckSummary:
    """What one check left; `state` is `fine`, `found`, `failed`, `skipped` or `unfinished`."""

    name: str
    state: str
    told: str
    errors: int = 0
    findings: int = 0
    lines: Sequence[str] = ()
    next_step: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "name": self.name,
            "state": self.state,
            "told": self.told,
            "errors": self.errors,
            "findings": self.findings,
            "lines": list(self.lines),
            "next_step": self.next_step,
        }


def check_summary(name: str, left: Mapping[str, Any] | None, *, is_skipped: bool = False) -> CheckSummary:
    """The summary of the check `name` from what it left; null means that it left nothing."""
    if left is None:
        if is_skipped:
            return CheckSummary(name=name, state="skipped", told="there was nothing to do")
        return CheckSummary(name=name, state="unfinished", told="it did not finish; its log says why")
    state = "failed" if left["is_failed"] else "found" if left["findings"] else "fine"
    return CheckSummary(
        name=name,
        state=state,
        told=str(left["told"]),
        errors=int(left["errors"]),
        findings=int(left["findings"]),
        lines=tuple(left["lines"]),
        next_step=left["next_step"],
    )


@dataclass(frozen=True, kw_only=True)
class GuardianReport:
    """The checks of one domain in their order; `made_at` is UTC."""

    domain: str
    made_at: datetime
    run_id: str
    checks: tuple[CheckSummary, ...]

    @property
    def refused(self) -> tuple[CheckSummary, ...]:
        """The checks that failed or did not finish."""
        return tuple(check for check in self.checks if check.state in {"failed", "unfinished"})

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "domain": self.domain,
            "made_at": self.made_at.isoformat(),
            "run_id": self.run_id,
            "is_fine": not self.refused,
            "checks": [check.to_json() for check in self.checks],
        }

    def to_markdown(self) -> str:
        """The report for people; ends in a newline."""
        return "\n".join(_lines(self)) + "\n"


def _lines(report: GuardianReport) -> Iterator[str]:
    yield f"# Schema guardian: {report.domain}, {report.made_at.date().isoformat()}"
    yield ""
    bad, found = len(report.refused), sum(check.state == "found" for check in report.checks)
    verdict = f"**{bad} of {len(report.checks)} checks failed.**" if bad else "**No check failed.**"
    yield f"{verdict} {found} found something that is allowed. Nothing was changed. Run {_code(report.run_id)}."
    yield ""
    yield "| check | state | errors | findings |"
    yield "|---|---|---|---|"
    for check in report.checks:
        yield f"| {_code(check.name)} | {check.state} | {check.errors:,} | {check.findings:,} |"
    for check in report.checks:
        yield from _section(check)


def _section(check: CheckSummary) -> Iterator[str]:
    yield ""
    yield f"## {check.name}"
    yield ""
    yield _code(check.told)
    if check.lines:
        yield ""
        yield from (f"- {_code(line)}" for line in check.lines if line.strip())
    if check.findings > len(check.lines) > 0:
        yield f"- and more: {check.findings:,} in all, in the task's log"
    if check.next_step:
        yield ""
        yield f"Next: {_code(check.next_step)}"


def _code(text: str) -> str:
    """Text that no Markdown in it can change."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"
