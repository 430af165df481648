"""The texts of a column have the one type that holds all of them, and doubts are told."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from groundwork.infer.files_csv import load_csv
from groundwork.infer.files_source import workbench
from groundwork.infer.types import Family, family_of, length_of, logical_type_of, roomy_type
from groundwork.infer.types_fields import decide_field
from groundwork.infer.types_text import Decision

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "types.yaml").read_text())


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> list[Decision]:
    """All cases side by side in one file, shorter columns filled up with nulls."""
    path = tmp_path_factory.mktemp("types") / "cases.csv"
    length = max(len(case["values"]) for case in CASES)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([case["name"] for case in CASES])
        for place in range(length):
            writer.writerow([case["values"][place] if place < len(case["values"]) else "" for case in CASES])
    with workbench() as connection:
        raw = load_csv(connection, "t0", [path], None)
        return [decide_field(connection, raw, field) for field in raw.fields]


@pytest.mark.parametrize("place", range(len(CASES)), ids=[f"{case['name']}-{case['values'][0]}" for case in CASES])
def test_texts_have_the_type_that_holds_all_of_them(decided: list[Decision], place: int) -> None:
    case, found = CASES[place], decided[place]
    assert found.type == case["type"]
    notes, obstacles = "; ".join(found.notes), "; ".join(found.obstacles)
    assert case.get("note", "") in notes
    assert case.get("obstacle", "") in obstacles
    assert bool(obstacles) == ("obstacle" in case), obstacles


@pytest.mark.parametrize(
    ("written", "family", "logical"),
    [
        ("character varying(20)", Family.TEXT, "string"),
        ("timestamp(3) with time zone", Family.TIMESTAMP, "timestamp"),
        ("double precision", Family.NUMBER, "number"),
        ("numeric(10,2)", Family.NUMBER, "number"),
        ("integer[]", Family.ARRAY, "array"),
        ("jsonb", Family.JSON, "object"),
        ("order_status", Family.OTHER, "string"),
        ("tsvector", Family.OTHER, "string"),
    ],
)
def test_types_of_live_tables_have_their_families(written: str, family: Family, logical: str) -> None:
    assert family_of(written) is family
    assert logical_type_of(written) == logical


def test_types_get_room_but_keep_what_they_mean() -> None:
    assert roomy_type("numeric(5,2)") == "numeric(8,2)"
    assert roomy_type("integer", 12) == "integer"
    assert roomy_type("integer", 2**31 - 1) == "bigint"
    assert roomy_type("text") == "text"
    assert length_of("varchar(12)") == 12
    assert length_of("numeric(12)") is None
