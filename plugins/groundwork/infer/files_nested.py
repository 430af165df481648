"""What JSON values are made of, as nested properties of a contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LOGICAL = {
    "VARCHAR": "string",
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "JSON": "object",
    "NULL": "string",
}
_DEEPEST = 5
_MOST_KEYS = 100  # an object with more keys is a map, whose keys are data


def nested_parts(structure: Any, physical_type: str) -> dict[str, Any]:
    """`properties` or `items` for a column whose values have this structure; nothing where it has none.

    >>> nested_parts({"tags": ["VARCHAR"]}, "jsonb")["properties"][0]["items"]
    {'logicalType': 'string'}
    """
    if structure is None:
        return {}
    found = _described(structure, 0)
    if physical_type.endswith("[]"):
        return {"items": found["items"]} if "items" in found else {}
    return found if found["logicalType"] in ("object", "array") else {}


def _described(structure: Any, depth: int) -> dict[str, Any]:
    if isinstance(structure, list):
        inner = structure[0] if structure else "NULL"
        return {"logicalType": "array", "items": _described(inner, depth + 1)}
    if isinstance(structure, Mapping):
        if depth >= _DEEPEST or not 0 < len(structure) <= _MOST_KEYS:
            return {"logicalType": "object"}
        properties = [{"name": str(name), **_described(inner, depth + 1)} for name, inner in structure.items()]
        return {"logicalType": "object", "properties": properties}
    return {"logicalType": _LOGICAL.get(str(structure), "string")}
