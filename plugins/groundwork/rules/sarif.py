"""A report in SARIF 2.1.0, which code hosts and editors show beside the lines.

Allowed findings are results with a suppression. Columns count UTF-16 units, as the format wants. Source: OASIS, Static
Analysis Results Interchange Format 2.1.0.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from groundwork.model.vocabulary import Severity
from groundwork.rules.finding import Finding, Report, Span
from groundwork.rules.rules import RULES

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_BASE = "PROJECTROOT"


def to_sarif(report: Report, *, version: str) -> dict[str, Any]:
    """The report as the data of a SARIF file; `version` is Groundwork's."""
    seen: Counter[str] = Counter()
    results = [_result(finding, seen) for finding in report.findings]
    for allowed in report.allowed:
        suppression = {"kind": "inSource", "status": "accepted", "justification": allowed.reason}
        results.append({**_result(allowed.finding, seen), "suppressions": [suppression]})
    driver = {
        "name": "groundwork-rules",
        "version": version,
        "rules": [
            {
                "id": rule.name,
                "shortDescription": {"text": rule.summary},
                "fullDescription": {"text": rule.manual},
                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            }
            for rule in RULES.values()
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "utf16CodeUnits", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, seen: Counter[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.message}\nInstead: {finding.advice}"},
        "locations": [_location(finding.file, finding.span, finding.source)],
        "partialFingerprints": {"groundwork/v1": _fingerprint(finding, seen)},
    }
    if finding.written_line is not None:
        written = {"startLine": finding.written_line}
        place = {"artifactLocation": _artifact(finding.file), "region": written}
        related = {"physicalLocation": place, "message": {"text": "the text is written here"}}
        result["relatedLocations"] = [related]
    return result


def _location(file: str, span: Span, source: str) -> dict[str, Any]:
    region: dict[str, Any] = {"startLine": span.line, "startColumn": _units(source, span.column)}
    if span.end_line == span.line:
        region["endColumn"] = _units(source, span.end_column)
    else:
        region["endLine"] = span.end_line
    if source.strip():
        region["snippet"] = {"text": source}
    return {"physicalLocation": {"artifactLocation": _artifact(file), "region": region}}


def _artifact(file: str) -> dict[str, str]:
    from urllib.parse import quote

    if file.startswith("/"):
        return {"uri": f"file://{quote(file)}"}
    return {"uri": quote(file), "uriBaseId": _BASE}


def _units(source: str, column: int) -> int:
    return len(source[: column - 1].encode("utf-16-le")) // 2 + 1


def _fingerprint(finding: Finding, seen: Counter[str]) -> str:
    """The same while the line stays the same, wherever it moves to."""
    text = "\0".join((finding.rule, finding.file, finding.source.strip(), finding.message))
    seen[text] += 1
    return hashlib.sha256(f"{text}\0{seen[text]}".encode()).hexdigest()[:32]
