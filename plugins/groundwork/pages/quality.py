"""Scores, trends and check results, from the store to the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from groundwork.model.vocabulary import Dimension
from groundwork.pages.table_view import CheckView, QualityView
from groundwork.store.quality import QualityResults

_TREND = 20  # measurements in a sparkline


def latest_quality(store: Engine, domains: Sequence[str]) -> tuple[QualityView, ...] | None:
    """The newest score of every table with its trend; two queries per domain."""
    repository = QualityResults(store)
    views = []
    for domain in domains:
        trends = repository.trends(domain, limit=_TREND)
        views += [_quality(row, trends) for row in repository.latest_scores(domain)]
    return tuple(views) or None


def latest_checks(store: Engine, domain: str) -> dict[str, tuple[CheckView, ...]]:
    """The results behind the newest score of every table, by table name, failures first."""
    repository = QualityResults(store)
    stages = {row["table_name"]: (row["run_id"], row["stage"]) for row in repository.latest_scores(domain)}
    found: dict[str, list[CheckView]] = {}
    for run_id, stage in dict.fromkeys(stages.values()):
        for row in repository.results(run_id, stage):
            if row["domain"] == domain and stages.get(row["table_name"]) == (run_id, stage):
                found.setdefault(row["table_name"], []).append(_check(row))
    return {table: tuple(sorted(checks, key=lambda check: check.passed)) for table, checks in found.items()}


def _quality(row: Mapping[str, Any], trends: Mapping[str, Sequence[float | None]]) -> QualityView:
    trend = trends.get(f"{row['schema_name']}.{row['table_name']}", ())
    dimensions = {str(dimension): _share(row[f"{dimension}_pct"]) for dimension in Dimension}
    return QualityView(
        domain=row["domain"],
        table=row["table_name"],
        score=_share(row["overall_pct"]),
        dimensions={name: value for name, value in dimensions.items() if value is not None},
        passed=row["check_count"] - row["failed_count"],
        failed=row["failed_count"],
        trend=tuple(value / 100 for value in trend if value is not None),
        measured_at=row["scored_at"],
    )


def _share(percent: Any) -> float | None:
    return None if percent is None else float(percent) / 100


def _check(row: Mapping[str, Any]) -> CheckView:
    columns = ", ".join(row["columns"])
    name = f"{columns}: {row['expected']}" if columns else row["expected"]
    return CheckView(name=name, passed=row["is_passed"], observed=row["observed"], severity=row["severity"])
