"""Contracts become checks, case by case, and nothing is dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.document import Document
from groundwork.contracts.read import read_contract, read_domain
from groundwork.model.checks import Check
from groundwork.settings import Settings

_CASES: list[dict[str, Any]] = YAML(typ="safe").load(Path(__file__).parents[1] / "cases" / "checks.yaml")


def _domain(case: dict[str, Any]) -> Domain:
    table = dict(case.get("table", {}))
    freshness = table.pop("freshness", None)
    levels = [{"property": "freshness", "element": "t", **freshness}] if freshness else []
    column = {"name": "c", **case.get("column", {"physicalType": "integer"})}
    data = {
        "id": "case",
        "version": "1.0.0",
        "domain": "d",
        "slaProperties": levels,
        "customProperties": [{"property": "databaseSchema", "value": "s"}],
        "schema": [{"name": "t", "properties": [column], **table}],
    }
    return Domain(name="d", contracts=(read_contract(Document(path=Path("case.yaml"), data=data, positions={})),))


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any]) -> None:
    derived = derive_checks(_domain(case))
    reasons = [item.reason for item in derived.untranslated]
    assert len(reasons) == len(case.get("untranslated", []))
    for reason, expected in zip(reasons, case.get("untranslated", []), strict=True):
        assert expected in reason
    found = {check.id: check for check in derived.checks}
    assert list(found) == [expected["id"] for expected in case.get("checks", [])]
    for expected in case.get("checks", []):
        _compare(found[expected["id"]], expected)


def _compare(check: Check, expected: dict[str, Any]) -> None:
    for name in ("kind", "dimension", "description", "severity"):
        assert getattr(check, name) == expected.get(name, getattr(check, name))
    if "columns" in expected:
        assert list(check.columns) == expected["columns"]
    if "accepts" in expected:
        assert str(check.arguments["accepts"]) == expected["accepts"]
        assert check.arguments.get("unit") == expected.get("unit")
    for name, value in expected.get("arguments", {}).items():
        given = check.arguments[name]
        assert (list(given) if isinstance(given, tuple) else given) == value


def test_ids_of_the_market_are_unique_and_each_table_is_covered() -> None:
    domain = read_domain("market", Settings.from_environment().contracts)
    derived = derive_checks(domain)
    ids = [check.id for check in derived.checks]
    assert len(ids) == len(set(ids)) > 100
    assert {check.table for check in derived.checks} == {table.name for table in domain.tables}
    assert {item.what for item in derived.untranslated} <= {"freshness"}


def test_ids_do_not_depend_on_the_run() -> None:
    domain = read_domain("market", Settings.from_environment().contracts)
    assert derive_checks(domain) == derive_checks(domain)
