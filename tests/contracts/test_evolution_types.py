"""From type to type: the same, wider, narrower, another."""

from __future__ import annotations

import pytest

from groundwork.contracts.evolution.types import TypeStep, type_step

CASES = {
    TypeStep.SAME: [
        ("integer", "int4"),
        ("varchar(40)", "character varying(40)"),
        ("timestamptz", "timestamp with time zone"),
        ("timestamp", "timestamp(6)"),
        ("numeric(10)", "decimal(10,0)"),
        ("text", "varchar"),
        ("char", "character(1)"),
        ("bool[]", "boolean[]"),
        ("order_state", "ORDER_STATE"),
    ],
    TypeStep.WIDENED: [
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("real", "double precision"),
        ("varchar(10)", "varchar(20)"),
        ("varchar(10)", "text"),
        ("numeric(10,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(12,4)"),
        ("numeric(10,2)", "numeric"),
        ("time(0)", "time(3)"),
        ("integer[]", "bigint[]"),
    ],
    TypeStep.NARROWED: [
        ("bigint", "integer"),
        ("text", "varchar(200)"),
        ("numeric", "numeric(10,2)"),
        ("numeric(10,2)", "numeric(10,4)"),
        ("timestamptz", "timestamptz(0)"),
    ],
    TypeStep.CHANGED: [
        ("integer", "numeric(10,0)"),
        ("integer", "text"),
        ("date", "timestamptz"),
        ("timestamp", "timestamptz"),
        ("json", "jsonb"),
        ("char(4)", "char(5)"),
        ("text", "text[]"),
        ("integer", "integer; DROP TABLE x"),
        ("integer", "bigint, now()"),
        ("integer", "nonsense ("),
    ],
}


@pytest.mark.parametrize(("old", "new", "step"), [(*pair, step) for step, pairs in CASES.items() for pair in pairs])
def test_step(old: str, new: str, step: TypeStep) -> None:
    assert type_step(old, new) is step
