"""Contracts in every form of the standard: judged by their own version, read, and there and back without loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.contracts.document import document_text, parse_document, read_document
from groundwork.contracts.edits import SetValue
from groundwork.contracts.lint import lint_files
from groundwork.contracts.lint.standard import NEWEST, schema_of
from groundwork.contracts.read import read_contract
from groundwork.contracts.text_edit import edited
from tests.contracts.samples import CASES

FILES = sorted((CASES / "odcs").glob("*.odcs.yaml"))
NAMES = [path.name for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_it_is_clean_and_read(path: Path) -> None:
    assert [str(finding) for finding in lint_files([path])] == []
    contract = read_contract(read_document(path))
    assert contract.tables
    assert all(table.columns for table in contract.tables)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_there_and_back_nothing_is_lost(path: Path) -> None:
    document = read_document(path)
    assert parse_document(document_text(document.data), path).data == document.data


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_an_edit_keeps_comments_and_all_else(path: Path) -> None:
    before = path.read_text(encoding="utf-8")
    after, done = edited(before, [SetValue(pointer="/id", value="another: name")])
    assert len(done) == 1
    changed = [pair for pair in zip(before.splitlines(), after.splitlines(), strict=True) if pair[0] != pair[1]]
    assert [new for _, new in changed] == ["id: 'another: name'"]


def test_every_section_and_logical_type_has_an_example() -> None:
    documents = [read_document(path).data for path in FILES]
    used = {key for data in documents for key in data}
    assert set(schema_of(NEWEST)["properties"]) <= used
    types = {value for data in documents for value in _values(data, "logicalType")}
    assert types >= set(schema_of(NEWEST)["$defs"]["SchemaBaseProperty"]["properties"]["logicalType"]["enum"]) - {
        "vector"
    }
    assert {data["apiVersion"] for data in documents} == {"v3.0.2", "v3.1.0", "v3.2.0"}


def _values(node: object, key: str) -> list[object]:
    if isinstance(node, dict):
        own = [node[key]] if key in node else []
        return own + [value for child in node.values() for value in _values(child, key)]
    return [value for child in node for value in _values(child, key)] if isinstance(node, list) else []
