"""Relationships: what is meant is found, what agrees by chance is not. Measured over labelled cases."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundwork.infer.profile import TableProfile
from groundwork.infer.propose import Inclusion, RelationshipProposal, propose_relationships
from groundwork.infer.relationships_circles import without_circles
from tests.infer.profiles import table_profile

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "relationships.yaml").read_text())
Rows = dict[str, dict[str, list[Any]]]


def made(case: dict[str, Any]) -> tuple[Rows, dict[str, str]]:
    """Values by table and column, and the types of columns that are no integers or texts."""
    rows: Rows = {}
    types: dict[str, str] = {}
    for table, spec in case["tables"].items():
        rows[table] = {}
        for column, how in spec["columns"].items():
            rows[table][column] = _values(how, spec["rows"], rows, seed=f"{table}.{column}")
            if isinstance(rows[table][column][0], uuid.UUID):
                types[column] = "uuid"
    return rows, types


def _values(how: dict[str, Any], count: int, rows: Rows, seed: str) -> list[Any]:
    match how:
        case {"sequence": n}:
            pool: list[Any] = list(range(1, n + 1))
        case {"uuids": n}:
            pool = [uuid.uuid5(uuid.NAMESPACE_DNS, f"{seed}{place}") for place in range(n)]
        case {"codes": n}:
            pool = [f"{seed[:1].upper()}{place:04}" for place in range(n)]
        case {"words": words}:
            pool = [word for word in words for _ in range(count // len(words))]
        case {"integers": [low, high]}:
            pool = list(range(low, high + 1))
        case {"of": source}:
            table, _, column = source.partition(".")
            pool = [value for value in rows[table][column] if value is not None]
    values = [pool[place % len(pool)] for place in range(count)]
    for place in range(how.get("strange", 0)):
        values[place] = 10_000 + place
    nulls = how.get("nulls")
    return [None if nulls and place % nulls == 0 else value for place, value in enumerate(values)]


def included_in(rows: Rows) -> Any:
    def included(table: str, columns: Sequence[str], target: str, key: Sequence[str]) -> Inclusion:
        mine = {each for each in zip(*(rows[table][name] for name in columns), strict=True) if None not in each}
        its = set(zip(*(rows[target][name] for name in key), strict=True))
        return Inclusion(distinct=len(mine), missing=len(mine - its))

    return included


def proposed(case: dict[str, Any]) -> tuple[RelationshipProposal, ...]:
    rows, types = made(case)
    tables: list[TableProfile] = [table_profile(name, columns, types) for name, columns in rows.items()]
    return propose_relationships(tables, included_in(rows), keys=case.get("keys"))


def as_text(found: RelationshipProposal) -> str:
    return f"{found.table}.{', '.join(found.columns)} > {found.target_table}.{', '.join(found.target_columns)}"


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_what_is_meant_is_found_and_nothing_else(case: dict[str, Any]) -> None:
    found = {as_text(each): each for each in proposed(case)}
    assert sorted(found) == sorted(case["expected"])
    assert all(0.5 <= each.confidence <= 1 for each in found.values())


def test_precision_and_recall_over_all_cases() -> None:
    expected = {(case["case"], text) for case in CASES for text in case["expected"]}
    found = {(case["case"], as_text(each)) for case in CASES for each in proposed(case)}
    assert len(expected) >= 25
    assert len(found & expected) / len(found) >= 0.95
    assert len(found & expected) / len(expected) >= 0.95


def test_broken_references_are_less_sure_and_say_how_many_are_broken() -> None:
    case = next(case for case in CASES if case["case"] == "a few broken references")
    (found,) = proposed(case)
    assert found.missing == 3
    assert found.confidence < 0.65
    assert "400" in found.evidence


def test_only_plausible_pairs_are_ever_counted() -> None:
    case = CASES[0]
    rows, types = made(case)
    asked: list[tuple[str, ...]] = []
    counting = included_in(rows)

    def included(table: str, columns: Sequence[str], target: str, key: Sequence[str]) -> Inclusion:
        asked.append((table, *columns, target))
        found: Inclusion = counting(table, columns, target, key)
        return found

    propose_relationships([table_profile(name, columns, types) for name, columns in rows.items()], included)
    assert len(asked) <= 6


def test_circles_are_opened_at_their_weakest_reference() -> None:
    def reference(table: str, target: str, confidence: float) -> RelationshipProposal:
        return RelationshipProposal(
            table=table, columns=("x",), target_table=target, target_columns=("id",), confidence=confidence, evidence=""
        )

    circle = [reference("a", "b", 0.9), reference("b", "c", 0.6), reference("c", "a", 0.8), reference("a", "a", 0.5)]
    assert [(each.table, each.target_table) for each in without_circles(circle)] == [("a", "b"), ("c", "a"), ("a", "a")]
