"""Each rule against its case file: it speaks where it should, only there, with a place and a fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.contracts.lint import lint_files
from groundwork.contracts.lint.rules import RULES
from tests.contracts.lint_cases import FOLDER, Case, cases

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}: {case.name}" for case in CASES])
def test_case(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "shop.odcs.yaml"
    path.write_text(case.text, encoding="utf-8")
    found = lint_files([path], domain="shop")
    mine = [finding for finding in found if finding.rule == case.rule]
    assert len(mine) == len(case.finds), [str(finding) for finding in found]
    for finding, words in zip(mine, case.finds, strict=True):
        assert words in finding.message
        assert finding.fix
        assert finding.file == str(path)
    others = [str(finding) for finding in found if finding.rule != case.rule]
    assert not others, "the case is about one rule only"
    if case.at:
        assert case.at in case.text.splitlines()[mine[0].line - 1]


def test_every_rule_has_its_cases_bad_and_good() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(RULES)
    for rule in RULES:
        assert any(case.finds for case in CASES if case.rule == rule), rule
        assert any(not case.finds for case in CASES if case.rule == rule), rule


def test_every_rule_has_a_manual_page() -> None:
    for name, rule in RULES.items():
        assert len(rule.manual) > 80, name
