"""A project of small contracts for tests of pipelines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEAD = """apiVersion: v3.2.0
kind: DataContract
id: {domain}-{name}
name: {name}
version: 1.0.0
status: active
domain: {domain}
team: {{name: team-{domain}}}
"""


def write_contract(
    project: Path,
    name: str,
    *,
    domain: str = "shop",
    source: dict[str, Any] | None = None,
    parent: str | None = None,
    freshness: tuple[float, str] | None = None,
    description: str = "Made for a test.",
) -> Path:
    """Write the contract of one table with a number, a day and, with `parent`, a reference; returns its file."""
    declared = {"kind": "file", "path": f"data/{name}.csv", "format": "csv", "mode": "merge", **(source or {})}
    reference = f"\n        relationships: [{{to: {parent}.number}}]" if parent else ""
    level = (
        json.dumps({"property": "freshness", "element": name, "value": freshness[0], "unit": freshness[1]})
        if freshness
        else ""
    )
    text = (
        HEAD.format(domain=domain, name=name)
        + f"""slaProperties: [{level}]
schema:
  - name: {name}
    physicalType: table
    description: {description}
    tags: [tested]
    customProperties:
      - {{property: source, value: {json.dumps(declared)}}}
    properties:
      - name: number
        logicalType: integer
        physicalType: integer
        primaryKey: true
        primaryKeyPosition: 1
        required: true
        classification: public
        description: What | it counts.
      - name: day
        logicalType: date
        physicalType: date
        required: true
        classification: public
      - name: other
        logicalType: integer
        physicalType: integer
        classification: internal{reference}
"""
    )
    folder = project / "governance" / "contracts" / domain
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.odcs.yaml"
    path.write_text(text, encoding="utf-8")
    return path


WATERMARK = {"watermark": {"column": "day"}}
