"""Each contract is judged by the version of the standard that it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.contracts.document import document_text
from groundwork.contracts.lint import Finding, lint_files
from groundwork.contracts.lint.standard import NEWEST, PROPERTIES, VERSIONS, part_of, schema_of
from groundwork.contracts.lint.structure import is_valid

_COLUMN = "{name: a_id, logicalType: integer, physicalType: bigint, primaryKey: true, classification: internal}"
_V30 = f"""\
apiVersion: v3.0.2
kind: DataContract
id: a
version: 1.0.0
status: active
domain: a
team: [{{username: somebody, role: Owner}}]
schema:
  - name: rows
    physicalType: table
    logicalType: object
    properties:
      - {_COLUMN}
"""


def _structure(tmp_path: Path, text: str) -> list[Finding]:
    path = tmp_path / "a.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    return [finding for finding in lint_files([path]) if finding.rule in ("structure", "yaml")]


def _told(tmp_path: Path, old: str, new: str) -> tuple[str, str, str]:
    assert old in _V30
    text = _V30.replace(old, new, 1)
    (finding,) = _structure(tmp_path, text)
    return finding.message, finding.fix, text.splitlines()[finding.line - 1]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_all_versions_know_is_valid_in_all(tmp_path: Path, version: str) -> None:
    assert _structure(tmp_path, _V30.replace("v3.0.2", version)) == []


@pytest.mark.parametrize(
    ("old", "new", "name", "since"),
    [
        (_COLUMN, _COLUMN[:-1] + ", relationships: [{to: b.b_id}]}", "relationships", "v3.1.0"),
        ("    logicalType: object\n", "    logicalType: object\n    id: rows-id\n", "id", "v3.1.0"),
        ("logicalType: integer", "logicalType: timestamp", "timestamp", "v3.1.0"),
        ("logicalType: integer", "logicalType: map", "map", "v3.2.0"),
        (_COLUMN, _COLUMN[:-1] + ", enum: [{value: 1}]}", "enum", "v3.2.0"),
        (_COLUMN, _COLUMN[:-1] + ", semanticType: column}", "semanticType", "v3.2.0"),
        ("status: active\n", "status: active\ncontext: {instructions: x}\n", "context", "v3.2.0"),
        ("    logicalType: object\n", "    logicalType: object\n    deprecated: true\n", "deprecated", "v3.2.0"),
    ],
)
def test_what_came_later_is_told_with_its_version(tmp_path: Path, old: str, new: str, name: str, since: str) -> None:
    message, fix, line = _told(tmp_path, old, new)
    assert message == f"`{name}` came with {since}; this contract says v3.0.2"
    assert fix.startswith(f"write `apiVersion: {since}`")
    assert name in line
    newer = _V30.replace(old, new, 1).replace("v3.0.2", since)
    assert not [finding for finding in _structure(tmp_path, newer) if finding.message.startswith(f"`{name}` came")]


def test_a_form_that_came_later_is_told_with_its_version(tmp_path: Path) -> None:
    message, fix, line = _told(tmp_path, "[{username: somebody, role: Owner}]", "{name: a-team}")
    assert message == "this must be of type array in v3.0.2; v3.1.0 allows what stands here"
    assert "or write `apiVersion: v3.1.0`" in fix
    assert line.startswith("team")


def test_what_a_version_still_asked_for(tmp_path: Path) -> None:
    without = _V30.replace("status: active\n", "")
    (finding,) = _structure(tmp_path, without)
    assert finding.message == "`status` is missing in v3.0.2; v3.2.0 allows what stands here"
    assert _structure(tmp_path, without.replace("v3.0.2", "v3.2.0")) == []
    limits = _COLUMN[:-1] + ", logicalTypeOptions: {minimum: 1, exclusiveMinimum: true}}"
    assert _structure(tmp_path, _V30.replace(_COLUMN, limits)) == []
    (finding,) = _structure(tmp_path, _V30.replace(_COLUMN, limits).replace("v3.0.2", "v3.1.0"))
    assert "must be of type number" in finding.message


@pytest.mark.parametrize("said", ["v2.2.2", "2.3.0", "v4.0.0", "v3.9", "next", "v3.1.0\u202e", "x" * 10_000])
def test_an_unsupported_version_is_the_only_finding(tmp_path: Path, said: str) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_text(_V30.replace("v3.0.2", f'"{said}"').replace("status:", "statsu:"), encoding="utf-8")
    (finding,) = lint_files([path])
    assert (finding.rule, finding.line, finding.is_fixable) == ("structure", 1, False)
    assert f"supported are {', '.join(VERSIONS)}" in finding.message
    assert len(finding.message) < 250
    assert NEWEST in finding.fix


def test_a_version_without_its_letter_is_known_by_its_number(tmp_path: Path) -> None:
    message, fix, _ = _told(tmp_path, "apiVersion: v3.0.2", 'apiVersion: "3.1.0"')
    assert "version `3.1.0` of the standard is not supported" in message
    assert fix == "write `apiVersion: v3.1.0`"


@pytest.mark.parametrize("value", ["3.1", "[v3.1.0]", "{}", "true"])
def test_a_version_that_is_no_text_is_a_mistake(tmp_path: Path, value: str) -> None:
    findings = _structure(tmp_path, _V30.replace("apiVersion: v3.0.2", f"apiVersion: {value}"))
    assert [finding.line for finding in findings if "must be of type string" in finding.message] == [1]


def test_a_column_without_a_logical_type_is_asked_for_nothing_that_only_some_types_have(tmp_path: Path) -> None:
    for version in VERSIONS:
        assert _structure(tmp_path, _V30.replace("v3.0.2", version).replace("logicalType: integer, ", "")) == []


def test_a_property_that_the_standard_has_elsewhere_is_never_passed_over(tmp_path: Path) -> None:
    text = _V30.replace("v3.0.2", NEWEST).replace(_COLUMN, _COLUMN[:-1] + ", items: {logicalType: string}}")
    (finding,) = _structure(tmp_path, text)
    assert finding.message == "`items` means nothing here"


def test_a_mistake_in_a_server_of_any_kind_is_explained(tmp_path: Path) -> None:
    servers = (
        "status: active\nservers: [{server: s, type: postgres, host: h, port: p, database: d, schema: s, tabel: x}]\n"
    )
    findings = _structure(tmp_path, _V30.replace("status: active\n", servers))
    assert [finding.line for finding in findings] == [6] * len(findings)
    assert any("`tabel`" in finding.message for finding in findings)


def test_the_facts_fit_the_shipped_schema() -> None:
    newest = schema_of(NEWEST)
    for version, parts in PROPERTIES.items():
        for part, names in parts.items():
            for name in names.split():
                assert name in part_of(newest, part)["properties"], (version, part, name)
                before = schema_of(VERSIONS[VERSIONS.index(version) - 1])
                if "/allOf/" not in part:  # branches of types that did not exist yet are gone as a whole
                    assert name not in part_of(before, part)["properties"], (version, part, name)


def test_only_wrong_columns_cost_an_explanation(tmp_path: Path) -> None:
    from groundwork.contracts.lint import excerpt as module

    columns = [{"name": f"c_{n}", "logicalType": "string", "physicalType": "text"} for n in range(300)]
    columns[217]["logicalType"] = "strnig"
    data = {"apiVersion": NEWEST, "kind": "DataContract", "id": "a", "version": "1", "schema": [{"name": "t"}]}
    data["schema"][0]["properties"] = columns  # type: ignore[index]
    assert not is_valid(data, NEWEST)
    (finding,) = _structure(tmp_path, document_text(data))
    assert (finding.fix, finding.is_fixable) == ("write `string`", True)
    short = module.excerpt(data, [["schema", 0, "properties", 217, "logicalType"]])
    assert short.data["schema"][0]["properties"] == [columns[217]]
    assert short.original(["schema", 0, "properties", 0, "name"]) == ["schema", 0, "properties", 217, "name"]
