"""Findings as text for the programs that read them: GitHub's annotations and SARIF 2.1.0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from groundwork.contracts.lint.finding import Finding
from groundwork.contracts.lint.rules import RULES

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def github_annotation(finding: Finding) -> str:
    """The workflow command by which GitHub shows the finding at its line."""
    place = f"file={_property(finding.file)},line={finding.line},col={finding.column}"
    title = _property(f"validate-schema: {finding.rule}")
    return f"::{finding.severity.value} {place},title={title}::{_data(f'{finding.message}; fix: {finding.fix}')}"


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as one SARIF run; a rule's help is the first paragraph of its page."""
    told = {finding.rule for finding in findings}
    manual = {name: rule.manual.partition("\n\n")[0] for name, rule in RULES.items() if name in told}
    rules = [{"id": name, "shortDescription": {"text": manual.get(name, name)}} for name in sorted(told)]
    driver = {"name": "groundwork validate-schema", "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding) -> dict[str, Any]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    location = {"artifactLocation": {"uri": quote(Path(finding.file).as_posix())}, "region": region}
    return {
        "ruleId": finding.rule,
        "level": finding.severity.value,
        "message": {"text": f"{finding.message}; fix: {finding.fix}"},
        "locations": [{"physicalLocation": location}],
    }


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
