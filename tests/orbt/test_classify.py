"""Every case of `cases/<class>.yaml` gets the class of its file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundwork.model.errors import ConfigError
from groundwork.orbt.classify import classify
from groundwork.orbt.patterns import Patterns, read_patterns

_PATTERNS = Path(__file__).parents[2] / "governance" / "patterns"
_CASES = [
    {**case, "class": path.stem}
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for case in YAML(typ="safe").load(path)
]


@pytest.fixture(scope="module")
def patterns() -> Patterns:
    return read_patterns(_PATTERNS)


def _error(case: dict[str, Any]) -> BaseException:
    """The exception a case describes, with its chain."""
    module, _, name = case["raise"].rpartition(".")
    kind = getattr(importlib.import_module(module or "builtins"), name)
    message = case.get("message", "")
    if "wrap" in case:
        original = _error({"raise": case["wrap"], "message": message})
        error = kind("SELECT 1", {}, original)
    elif "status" in case:
        import httpx

        request = httpx.Request("GET", "http://127.0.0.1/")
        error = kind(message, request=request, response=httpx.Response(case["status"], request=request))
    else:
        error = kind(*case.get("arguments", [message]))
    if "cause" in case:
        error.__cause__ = _error(case["cause"])
    assert isinstance(error, BaseException)
    return error


def test_there_are_enough_cases_and_every_pattern_has_one(patterns: Patterns) -> None:
    assert len(_CASES) >= 40
    assert {case["class"] for case in _CASES} == {pattern.name for pattern in patterns} - {"worker_lost"}


@pytest.mark.parametrize(
    "case", _CASES, ids=lambda case: f"{case['class']}-{case['raise']}-{case.get('message', '')[:30]}"
)
def test_case(case: dict[str, Any], patterns: Patterns) -> None:
    fault = classify(_error(case), patterns, case.get("observed"))
    assert fault.fault_class == case["class"]
    assert fault.sqlstate == case.get("sqlstate", fault.sqlstate)


def test_a_loop_of_causes_ends(patterns: Patterns) -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert classify(first, patterns).fault_class == "unknown"


def test_the_fault_names_the_cause_that_gave_the_signal_and_keeps_both_messages(patterns: Patterns) -> None:
    error = RuntimeError("the load stopped")
    error.__cause__ = ConnectionResetError("reset by peer, password=hunter2")
    fault = classify(error, patterns)
    assert fault.exception == "ConnectionResetError"
    assert "the load stopped" in fault.message
    assert "reset by peer" in fault.message
    assert "hunter2" not in fault.message


def test_a_group_of_exceptions_is_what_its_members_are(patterns: Patterns) -> None:
    group = ExceptionGroup("two calls failed", [RuntimeError("x"), ExceptionGroup("inner", [ConnectionResetError()])])
    assert classify(group, patterns).fault_class == "connection_failures"
    assert classify(ExceptionGroup("two", [RuntimeError("x"), RuntimeError("y")]), patterns).fault_class == "unknown"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name: other\ndescription: x\n", "name of its file"),
        ("name: mine\ndescription: x\nstrike_1: [{name: a, remedy: reboot_the_world}]\n", "reboot_the_world"),
        ("name: mine\ndescription: x\nsignals: {messages: ['(']}\n", "regular expression"),
        ("name: mine\ndescription: x\nsurprise: 1\n", "surprise"),
        ("name: mine\ndescription: x\nsignals: {observed: [{conditions: ['phase_of_moon > 1']}]}\n", "phase_of_moon"),
        ("name: mine\ndescription: x\nsignals: {observed: [{conditions: ['many']}]}\n", "is no condition"),
        ("name: [", "cannot be read"),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_file(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "mine.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_patterns(tmp_path)
    assert told in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_a_team_adds_its_own_pattern(tmp_path: Path) -> None:
    (tmp_path / "late_supplier.yaml").write_text(
        "name: late_supplier\ndescription: x\nsignals: {messages: ['not delivered yet']}\n", encoding="utf-8"
    )
    fault = classify(RuntimeError("file of today not delivered yet"), read_patterns(tmp_path))
    assert fault.fault_class == "late_supplier"


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no error patterns"):
        read_patterns(tmp_path)
