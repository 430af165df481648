"""What the checker tells: findings, the ones that a comment allows, and the report of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from groundwork.model.vocabulary import Severity


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of a file; lines and columns count from 1, in characters, and the end is behind the last one."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One refusal at one place; `source` is its first line as it stands, `advice` what to write instead.

    `written_line` is where the text of the SQL begins when that is not the place itself, else null.
    """

    rule: str
    severity: Severity
    file: str
    span: Span
    message: str
    advice: str
    source: str = ""
    written_line: int | None = None

    @property
    def line(self) -> int:
        """The line where it begins, from 1."""
        return self.span.line

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """By file, place and rule."""
        return (self.file, self.span.line, self.span.column, self.rule, self.message)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        values = asdict(self)
        return {**values.pop("span"), **values}

    def __str__(self) -> str:
        shown = f"\n    | {self.source.strip()}" if self.source.strip() else ""
        place = f"{self.file}:{self.span.line}:{self.span.column}"
        advice = "\n         ".join(self.advice.splitlines())
        return f"{place}: {self.severity} {self.rule}: {self.message}{shown}\n    fix: {advice}"


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """A finding that a comment of the file allows, with the reason that the comment gives."""

    finding: Finding
    reason: str
    comment_line: int

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {**self.finding.to_json(), "reason": self.reason, "comment_line": self.comment_line}

    def __str__(self) -> str:
        place = f"{self.finding.file}:{self.finding.line}"
        return f"{place}: allowed {self.finding.rule}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What checking `files` files found, in order of file and place."""

    findings: tuple[Finding, ...] = ()
    allowed: tuple[Allowed, ...] = ()
    files: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing is refused."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "files": self.files,
            "findings": [finding.to_json() for finding in self.findings],
            "allowed": [allowed.to_json() for allowed in self.allowed],
        }


def joined(reports: Iterable[Report]) -> Report:
    """One report of all, in order of file and place."""
    each = list(reports)
    return Report(
        findings=tuple(sorted((f for report in each for f in report.findings), key=lambda f: f.sort_key)),
        allowed=tuple(sorted((a for report in each for a in report.allowed), key=lambda a: a.finding.sort_key)),
        files=sum(report.files for report in each),
    )


def with_file(report: Report, file: str) -> Report:
    """The same report of a file that is called `file`."""
    return replace(
        report,
        findings=tuple(replace(finding, file=file) for finding in report.findings),
        allowed=tuple(replace(each, finding=replace(each.finding, file=file)) for each in report.allowed),
    )
