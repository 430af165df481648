"""Every case of `cases/faults.yaml` gets its class, and secrets never survive."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundwork.model.errors import ConfigError
from groundwork.orbt.classify import classify
from groundwork.orbt.patterns import Patterns, read_patterns
from groundwork.orbt.redaction import LIMIT, redact

_PATTERNS = Path(__file__).parents[2] / "governance" / "patterns"
_CASES = YAML(typ="safe").load(Path(__file__).parent / "cases" / "faults.yaml")


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


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['raise']}-{case.get('message', '')[:30]}")
def test_case(case: dict[str, Any], patterns: Patterns) -> None:
    fault = classify(_error(case), patterns)
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


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("postgresql+psycopg://app:s3cr3t@db:5432/x refused", "s3cr3t"),
        ("postgresql://app:p@ss/w0rd@db/x", "w0rd"),
        ("host=db user=app password=s3cr3t dbname=x", "s3cr3t"),
        ("password='two words' host=db", "two words"),
        ('{"api_key": "abc123def"}', "abc123def"),
        ("PGPASSWORD=s3cr3t psql", "s3cr3t"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        ("the key sk-ant-REDACTED was refused", "ant-REDACTED"),
        ("aws AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("token eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("DETAIL:  Key (email)=(ann@example.org) already exists.", "ann@example.org"),
        ("DETAIL:  Failing row contains (7, Ann Smith, 1970-01-01).", "Ann Smith"),
        ('CONTEXT:  COPY people, line 3, column born: "Ann Smith"', "Ann Smith"),
        ('invalid input syntax for type date: "Ann Smith"', "Ann Smith"),
        ("[SQL: INSERT INTO p VALUES (%s)]\n[parameters: {'name': 'Ann [x] Smith'}]\n(Background on this", "Smith"),
        ("no mailbox ann.smith@example.org here", "ann.smith"),
    ],
)
def test_secrets_and_row_values_are_taken_out(text: str, gone: str) -> None:
    assert gone in text
    assert gone not in redact(text)


def test_what_is_no_secret_stays() -> None:
    told = 'relation "market.orders" does not exist\nLINE 1: SELECT * FROM market.orders'
    assert redact(told) == told


def test_a_huge_message_is_cut_and_costs_no_time() -> None:
    assert len(redact("password" * 1_000_000)) == LIMIT


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name: other\ndescription: x\n", "name of its file"),
        ("name: mine\ndescription: x\nstrike_1: [{name: a, remedy: reboot_the_world}]\n", "reboot_the_world"),
        ("name: mine\ndescription: x\nsignals: {messages: ['(']}\n", "regular expression"),
        ("name: mine\ndescription: x\nsurprise: 1\n", "surprise"),
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
