"""dbt's artifacts `run_results.json` and `manifest.json` → a report.

Knows their fields (schema versions run-results v6 and manifest v12) and nothing of how dbt was run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from groundwork.model.errors import FatalError
from groundwork.transform.column_lineage import Lineage, trace
from groundwork.transform.report import ModelResult, TestResult, TransformReport

BUILT = ("model", "snapshot", "seed")  # dbt's kinds of nodes that become relations of the warehouse
RUN_RESULTS = "run_results.json"
MANIFEST = "manifest.json"


def read_report(target: Path) -> TransformReport:
    """The report of the run whose artifacts lie in `target`.

    Raises: FatalError when an artifact is missing or not what this version of dbt writes.
    """
    results, manifest = _read(target / RUN_RESULTS), _read(target / MANIFEST)
    try:
        report = _report(results, manifest)
    except (KeyError, TypeError) as error:
        raise FatalError(
            "dbt's artifacts do not have the fields of dbt 1.11",
            where=str(target),
            found=f"{type(error).__name__}: {error}; dbt {manifest.get('metadata', {}).get('dbt_version')}",
        ) from error
    lineage, unparsed = _lineage(results, manifest)
    return replace(report, column_lineage=lineage, unparsed=unparsed)


def _lineage(results: Mapping[str, Any], manifest: Mapping[str, Any]) -> tuple[Lineage, dict[str, str]]:
    """Column lineage of the models that ran; whatever goes wrong in it is told and fails nothing."""
    nodes = {**manifest["nodes"], **manifest["sources"]}
    ran = [nodes[result["unique_id"]] for result in results["results"] if result["unique_id"] in nodes]
    try:
        return trace([node for node in ran if node["resource_type"] in BUILT], nodes)
    except Exception as error:  # lineage is worth less than the run it describes
        return {}, {"all models": f"{type(error).__name__}: {error}"}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FatalError("dbt left no readable artifact", where=str(path), found=error) from error
    return dict(found)


def _report(results: Mapping[str, Any], manifest: Mapping[str, Any]) -> TransformReport:
    nodes = {**manifest["nodes"], **manifest["sources"], **manifest.get("unit_tests", {})}
    ran = [(result, nodes[result["unique_id"]]) for result in results["results"] if result["unique_id"] in nodes]
    models = tuple(_model(result, node) for result, node in ran if node["resource_type"] in BUILT)
    tests = tuple(_test(result, node) for result, node in ran if node["resource_type"] in ("test", "unit_test"))
    return TransformReport(
        models=models,
        tests=tests,
        seconds=float(results["elapsed_time"]),
        dbt_version=results["metadata"]["dbt_version"],
        relations={name: relation(node) for name, node in nodes.items() if node.get("relation_name")},
    )


def relation(node: Mapping[str, Any]) -> str:
    """`schema.name` of a node."""
    return f"{node['schema']}.{node.get('identifier') or node.get('alias') or node['name']}"


def _model(result: Mapping[str, Any], node: Mapping[str, Any]) -> ModelResult:
    rows = (result.get("adapter_response") or {}).get("rows_affected")
    timing = result.get("timing") or []
    return ModelResult(
        unique_id=node["unique_id"],
        name=node["name"],
        relation=relation(node),
        materialized=node["config"]["materialized"],
        status=result["status"],
        message=result.get("message"),
        row_count=rows if isinstance(rows, int) and rows >= 0 else None,
        seconds=float(result["execution_time"]),
        parents=tuple(dict.fromkeys((node.get("depends_on") or {}).get("nodes", ()))),
        description=node.get("description") or None,
        columns=tuple((name, column.get("data_type") or "") for name, column in node["columns"].items()),
        sql=node.get("compiled_code") or None,
        started_at=next((step["started_at"] for step in timing if step.get("started_at")), None),
        finished_at=next((step["completed_at"] for step in reversed(timing) if step.get("completed_at")), None),
    )


def _test(result: Mapping[str, Any], node: Mapping[str, Any]) -> TestResult:
    metadata = node.get("test_metadata") or {}
    is_unit = node["resource_type"] == "unit_test"
    return TestResult(
        unique_id=node["unique_id"],
        name=node["name"],
        model=node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), None),
        column=node.get("column_name"),
        kind="unit" if is_unit else metadata.get("name", "query"),
        status=result["status"],
        message=result.get("message"),
        failing_count=result.get("failures"),
        severity=str((node.get("config") or {}).get("severity") or "error").lower(),
        seconds=float(result["execution_time"]),
    )
