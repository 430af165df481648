"""SARIF 2.1.0: what the format's schema requires of a log, its runs, rules, results and regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from groundwork.rules.rules import RULES
from groundwork.rules.sarif import to_sarif
from tests.rules.samples import checked

# What the official schema says of the parts that we write: required keys, types, and no keys that it does not know.
_NUMBER = {"type": "integer", "minimum": 1}
REGION = {
    "type": "object",
    "required": ["startLine"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), _NUMBER),
        "snippet": {"type": "object", "required": ["text"]},
    },
}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "message": MESSAGE,
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "region": REGION,
                "artifactLocation": {
                    "type": "object",
                    "required": ["uri"],
                    "additionalProperties": False,
                    "properties": {"uri": {"type": "string"}, "uriBaseId": {"type": "string"}},
                },
            },
        },
    },
}
RESULT = {
    "type": "object",
    "required": ["message", "ruleId", "level", "locations"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": MESSAGE,
        "locations": {"type": "array", "items": LOCATION, "minItems": 1},
        "relatedLocations": {"type": "array", "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "suppressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"enum": ["inSource", "external"]}, "justification": {"type": "string"}},
            },
        },
    },
}
RULE = {"type": "object", "required": ["id"], "properties": {"shortDescription": MESSAGE, "fullDescription": MESSAGE}}
LOG = {
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"rules": {"type": "array", "items": RULE, "uniqueItems": True}},
                            }
                        },
                    },
                },
            },
        },
    },
}
SOURCE = """QUERY = "SELECT 1 FROM x"
def load(cursor):
    '😀'; cursor.execute(QUERY)
    cursor.execute(
        "SELECT 2"
    )
    cursor.execute("SELECT 3")  # groundwork: allow raw_sql a probe
    cursor.execute("SELECT 4"); cursor.execute("SELECT 4")
"""


@pytest.fixture
def log(tmp_path: Path) -> dict[str, Any]:
    return to_sarif(checked(tmp_path, SOURCE, name="a folder/ä.py"), version="1.2.3")


def test_the_log_has_the_structure_of_the_format(log: dict[str, Any]) -> None:
    Draft202012Validator(LOG).validate(json.loads(json.dumps(log)))


def test_results_point_at_their_rule_and_place(log: dict[str, Any]) -> None:
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    first, second = run["results"][:2]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "raw_sql"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20folder/%C3%A4.py"
    assert place["region"]["startLine"] == 3
    assert place["region"]["startColumn"] == 11  # the face counts as two units of UTF-16
    assert first["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 1
    assert second["locations"][0]["physicalLocation"]["region"]["endLine"] == 6


def test_what_is_allowed_is_suppressed_with_its_reason(log: dict[str, Any]) -> None:
    suppressed = [result for result in log["runs"][0]["results"] if "suppressions" in result]
    assert [result["suppressions"][0]["justification"] for result in suppressed] == ["a probe"]


def test_fingerprints_tell_results_apart_and_stay_when_lines_move(tmp_path: Path, log: dict[str, Any]) -> None:
    def prints(of: dict[str, Any]) -> list[str]:
        return [result["partialFingerprints"]["groundwork/v1"] for result in of["runs"][0]["results"]]

    assert len(set(prints(log))) == len(prints(log)) == 5
    moved = to_sarif(checked(tmp_path, f"# moved\n\n{SOURCE}", name="a folder/ä.py"), version="1.2.3")
    assert prints(moved) == prints(log)
