"""Our own code obeys: nothing in `dags/` and `plugins/` is refused, and every rule has its page."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from groundwork.rules.check import check_paths
from groundwork.rules.dag_gate import all_domains
from groundwork.rules.rules import RULES
from groundwork.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_of_ours_is_refused() -> None:
    settings = Settings(project=PROJECT, home=PROJECT / ".groundwork")
    report = check_paths([], project=PROJECT, domains=all_domains(settings), processes=2)
    assert [str(finding) for finding in report.findings] == []
    assert report.files > 400
    assert all(len(allowed.reason.split()) > 3 for allowed in report.allowed)


def test_every_rule_has_a_manual_page_and_is_documented() -> None:
    page = (PROJECT / "docs" / "code-rules.md").read_text(encoding="utf-8")
    for name, rule in RULES.items():
        assert len(rule.manual.split()) > 30, name
        assert f"`{name}`" in page, name
        module = PROJECT / "plugins" / "groundwork" / "rules" / "rules" / f"{name}.py"
        assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
