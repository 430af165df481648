"""How fresh dbt's sources are against the promises of the contracts, told by `dbt source freshness`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from groundwork.model.errors import FatalError
from groundwork.transform.artifacts import relation
from groundwork.transform.build import DbtTarget, not_started, run_dbt

_RESULTS = "sources.json"
_TIMEOUT_SECONDS = 600
_NEVER = "0001-01-01"  # what dbt makes of no time at all


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """One source with a promise; `status` is dbt's word (`pass`, `warn`, `runtime error`).

    `age_seconds` is the time since the youngest row, or the last load, at the moment of the look; null when it could
    not be told, and then `message` says why.
    """

    table: str
    status: str
    age_seconds: float | None
    message: str | None


def source_freshness(
    project: Path, warehouse: URL, *, target_path: Path, schema: str = "market"
) -> tuple[Freshness, ...]:
    """The freshness of all sources that have a promise, in order of table.

    Raises: ConfigError when the project does not parse; RetriableError when the warehouse is not reachable.
    """
    target_path.mkdir(parents=True, exist_ok=True)
    (target_path / _RESULTS).unlink(missing_ok=True)
    ended = run_dbt(
        ["source", "freshness"],
        project=project,
        target=DbtTarget.of(warehouse, schema),
        target_path=target_path,
        timeout_seconds=_TIMEOUT_SECONDS,
    )
    if not (target_path / _RESULTS).exists():
        raise not_started(ended, project)
    return _read(target_path)


def _read(target_path: Path) -> tuple[Freshness, ...]:
    try:
        results = json.loads((target_path / _RESULTS).read_text(encoding="utf-8"))["results"]
        nodes = json.loads((target_path / "manifest.json").read_text(encoding="utf-8"))["sources"]
        found = [_freshness(result, relation(nodes[result["unique_id"]])) for result in results]
        told = {result["unique_id"] for result in results}
        promised = {name: node for name, node in nodes.items() if (node.get("freshness") or {}).get("warn_after")}
        found += [_untold(relation(node)) for name, node in promised.items() if name not in told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FatalError(
            "dbt's look at its sources does not read", where=str(target_path / _RESULTS), found=error
        ) from error
    return tuple(sorted(found, key=lambda one: one.table))


def _untold(table: str) -> Freshness:
    """What dbt could not ask, and therefore leaves out of its results."""
    message = "its time could not be asked: the table, or the ledger of loads, is not there"
    return Freshness(table=table, status="runtime error", age_seconds=None, message=message)


def _freshness(result: Mapping[str, Any], table: str) -> Freshness:
    if str(result.get("max_loaded_at", "")).startswith(_NEVER):
        return Freshness(table=table, status=result["status"], age_seconds=None, message="nothing was ever loaded")
    return Freshness(
        table=table,
        status=result["status"],
        age_seconds=result.get("max_loaded_at_time_ago_in_s"),
        message=result.get("error"),
    )
