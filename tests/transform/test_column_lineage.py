"""Columns are traced where that can be told, and named where it cannot."""

from __future__ import annotations

from typing import Any

from groundwork.transform.column_lineage import trace
from groundwork.transform.report import Origin


def _source() -> dict[str, Any]:
    return {
        "unique_id": "source.raw",
        "resource_type": "source",
        "schema": "raw",
        "name": "orders",
        "identifier": "orders",
        "relation_name": '"db"."raw"."orders"',
        "columns": {"id": {}, "amount": {}, "note": {}},
    }


def _model(name: str, code: str) -> dict[str, Any]:
    return {
        "unique_id": f"model.{name}",
        "resource_type": "model",
        "schema": "out",
        "name": name,
        "alias": name,
        "relation_name": f'"db"."out"."{name}"',
        "columns": {},
        "compiled_code": code,
    }


def _trace(*models: dict[str, Any]) -> tuple[dict[Any, Any], dict[str, str]]:
    return trace(models, {node["unique_id"]: node for node in (_source(), *models)})


def _origin(column: str, how: str, unique_id: str = "source.raw") -> Origin:
    return Origin(unique_id=unique_id, column=column, how=how)


def test_copies_expressions_and_stars_are_told_apart() -> None:
    lineage, unparsed = _trace(
        _model("m", 'WITH x AS (SELECT * FROM "db"."raw"."orders") SELECT id AS i, amount + id AS s, 1 AS one FROM x')
    )
    assert unparsed == {}
    assert lineage["model.m", "i"] == (_origin("id", "identity"),)
    assert set(lineage["model.m", "s"]) == {_origin("amount", "expression"), _origin("id", "expression")}
    assert lineage["model.m", "one"] == ()


def test_a_model_over_a_model_is_known_by_what_was_traced() -> None:
    lineage, unparsed = _trace(
        _model("a", 'SELECT id, amount * 2 AS double FROM "db"."raw"."orders"'),
        _model("b", 'SELECT * FROM "db"."out"."a"'),
    )
    assert unparsed == {}
    assert lineage["model.b", "double"] == (_origin("double", "identity", "model.a"),)


def test_what_cannot_be_traced_is_named() -> None:
    lateral = 'SELECT o.id, l.n FROM "db"."raw"."orders" o, LATERAL (SELECT o.amount AS n) l'
    lineage, unparsed = _trace(_model("broken", "SELECT FROM WHERE ("), _model("lateral", lateral), _model("none", ""))
    assert lineage == {}
    assert set(unparsed) == {"broken", "lateral", "none"}
