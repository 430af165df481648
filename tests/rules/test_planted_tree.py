"""A tree of planted violations in many disguises and innocent look-alikes: every one is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.rules.check import check_paths
from groundwork.rules.finding import Report
from tests.rules.samples import RULES_WITH_CASES, STRICT, Case, plant, read_cases, shop

CASES = read_cases()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("planted")
    plant(CASES, folder)
    return check_paths([folder], project=folder, domains=[shop()], policy=STRICT)


def test_there_are_enough_of_both() -> None:
    assert sum(len(case.expected) for case in CASES) >= 180
    assert sum(1 for case in CASES if case.kind == "look_alikes") >= 100
    assert not any(case.expected for case in CASES if case.kind == "look_alikes")


def test_every_rule_has_cases() -> None:
    for rule in RULES_WITH_CASES:
        assert any(rule == found for case in CASES if case.kind == rule for _, _, found in case.expected), rule


def test_every_violation_is_found_and_nothing_else(report: Report) -> None:
    found = {(finding.file, finding.line, finding.rule) for finding in report.findings}
    expected = {each for case in CASES for each in case.expected}
    assert found - expected == set()
    assert expected - found == set()


@pytest.mark.parametrize("case", [case for case in CASES if case.says], ids=lambda case: case.name)
def test_the_call_to_use_instead_is_told(case: Case, report: Report) -> None:
    advice = [finding.advice for finding in report.findings if finding.file.startswith(f"{case.folder}/")]
    assert case.says is not None
    assert any(case.says in each for each in advice), advice


def test_each_finding_shows_its_line(report: Report) -> None:
    for finding in report.findings:
        assert finding.source, finding
        assert finding.span.line <= finding.span.end_line
        assert finding.advice
        assert "groundwork_gap" not in str(finding)


def test_many_processes_find_the_same(report: Report, tmp_path: Path) -> None:
    plant(CASES, tmp_path)
    again = check_paths([tmp_path], project=tmp_path, domains=[shop()], policy=STRICT, processes=2)
    assert [str(finding) for finding in again.findings] == [str(finding) for finding in report.findings]
    assert again.files == report.files
    assert again.allowed == report.allowed
