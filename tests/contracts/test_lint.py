"""The linter as a whole: everything at once, files that are not even YAML, and the contracts that ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundwork.contracts.lint import lint_domain, lint_files
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity
from tests.contracts.samples import CASES, CONTRACTS, SHOP_TEXT

MISTAKES = [
    ("structure", "status: active\n", "status: active\nstatsu: active\n", "statsu"),
    ("owner", "team: {name: shop-team}", "team: {description: nobody}", "team:"),
    ("role", "access: read", "access: all", "access: all"),
    ("sql_fragment", "code % 10 <> 9 AND", "code % 10 <> AND", "customers_code_check"),
    ("index_columns", "columns: [joined_date desc]", "columns: [joined desc]", "customers_joined_date_idx"),
    ("name_form", "{name: balance,", "{name: accountBalance,", "accountBalance"),
    ("physical_type", "physicalType: varchar(40)", "physicalType: strng", "strng"),
    (
        "classification",
        "{name: joined_date, logicalType: date, physicalType: date, required: true, classification: internal}",
        "{name: joined_date, logicalType: date, physicalType: date, required: true, classification: top}",
        "classification: top",
    ),
    ("partitioning", "interval: month", "interval: fortnight", "fortnight"),
    ("relationship", "to: customers.customer_id", "to: clients.customer_id", "to: clients"),
]


def test_ten_mistakes_give_ten_findings(tmp_path: Path) -> None:
    text = SHOP_TEXT
    for _, old, new, _ in MISTAKES:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "shop.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    findings = lint_files([path], domain="shop")
    assert len(findings) == 10, "\n".join(str(finding) for finding in findings)
    assert {finding.rule for finding in findings} == {rule for rule, *_ in MISTAKES}
    places = {rule: place for rule, _, _, place in MISTAKES}
    for finding in findings:
        assert finding.file == str(path)
        assert places[finding.rule] in text.splitlines()[finding.line - 1]
        assert finding.column >= 1
        assert finding.message
        assert finding.fix
        assert finding.severity is Severity.ERROR
    assert [finding.line for finding in findings] == sorted(finding.line for finding in findings)
    assert path.read_text(encoding="utf-8") == text


def test_the_contracts_that_ship_are_clean() -> None:
    assert [str(finding) for finding in lint_domain("market", CONTRACTS)] == []
    assert lint_files([CASES / "shop.odcs.yaml"], domain="shop") == []


def test_findings_are_ready_for_machines(tmp_path: Path) -> None:
    path = tmp_path / "shop.odcs.yaml"
    path.write_text(SHOP_TEXT.replace("access: read", "access: all"), encoding="utf-8")
    (finding,) = lint_files([path])
    assert json.loads(json.dumps(finding.to_json())) == {
        "rule": "role",
        "severity": "error",
        "file": str(path),
        "line": 12,
        "column": 5,
        "message": "the access `all` is not known",
        "fix": "write `read` or `write`",
        "is_fixable": False,
    }
    assert str(finding).startswith(f"{path}:12:5: error role: ")


@pytest.mark.parametrize(
    ("content", "words", "line"),
    [
        (b"a: [1, 2\nb: 3\n", "this is not YAML", 2),
        (b"a: 1\n\tb: 2\n", "this is not YAML", 2),
        (b"- 1\n- 2\n", "a contract is a YAML mapping", 1),
        (b"", "a contract is a YAML mapping", 1),
        (b"a: \xff\xfe\n", "cannot be read", 1),
        (b"a: &x [*x, *x]\n", "", 1),
        (
            b"a: &a [1,1,1,1,1,1,1,1,1]\n"
            + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (n, n, *[n - 1] * 8) for n in range(98, 110)),
            "aliases are followed",
            6,
        ),
    ],
    ids=["unclosed", "tab", "list", "empty", "encoding", "self-reference", "alias bomb"],
)
def test_a_file_that_is_no_contract_gives_a_finding(tmp_path: Path, content: bytes, words: str, line: int) -> None:
    path, good = tmp_path / "bad.odcs.yaml", tmp_path / "good.odcs.yaml"
    path.write_bytes(content)
    good.write_text(SHOP_TEXT.replace("access: read", "access: all"), encoding="utf-8")
    findings = lint_files([path, good], domain="shop")
    assert [(finding.rule, finding.file) for finding in findings] == [("yaml", str(path)), ("role", str(good))]
    assert words in findings[0].message
    assert findings[0].line == line


def test_repeated_keys_are_all_told_and_the_rest_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "shop.odcs.yaml"
    text = SHOP_TEXT.replace("name: Shop sales\n", "name: Shop sales\nname: Again\n")
    text = text.replace("    access: read\n", "    access: all\n    access: read\n")
    path.write_text(text, encoding="utf-8")
    findings = lint_files([path], domain="shop")
    assert [(finding.rule, finding.line) for finding in findings] == [("yaml", 5), ("role", 13), ("yaml", 14)]
    assert "first in line 4" in findings[0].message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema:\n", "schema: nothing\nx_schema:\n"),
        ("    properties:\n", "    properties: 7\n    tags:\n"),
        ("team: {name: shop-team}", "team: 3"),
        ("value: {strategy: range,", "value: [1, {strategy: range,"),
        ("roles:\n", "roles: {}\nsupport:\n"),
    ],
)
def test_the_wrong_kind_of_value_never_breaks_the_linter(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "shop.odcs.yaml"
    path.write_text(SHOP_TEXT.replace(old, new, 1), encoding="utf-8")
    assert lint_files([path], domain="shop")


def test_an_unknown_domain_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no contracts"):
        lint_domain("nowhere", CONTRACTS)
