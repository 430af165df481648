"""Results of checks with their trend and masked samples, and the gates of the newest releases, from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from groundwork.pages.quality_view import FindingView, GateView, ReleaseView
from groundwork.store.quality import QualityResults
from groundwork.store.release import Releases

_TREND = 20  # measurements in a sparkline


def latest_findings(
    store: Engine, domains: Sequence[str], *, table: str | None = None, only_failing: bool = True
) -> tuple[FindingView, ...]:
    """The results behind the newest score of every table (of one called `table`): errors first, then by table."""
    repository = QualityResults(store)
    found = []
    for domain in domains:
        rows = repository.latest_results(domain, table_name=table, only_failed=only_failing)
        trends = repository.check_trends(domain, [row["check_id"] for row in rows], limit=_TREND)
        found += [_finding(row, trends) for row in rows]
    order = {"error": 0, "warning": 1}
    return tuple(sorted(found, key=lambda each: (each.passed, order.get(each.severity, 2), each.domain, each.table)))


def latest_releases(store: Engine, domains: Sequence[str]) -> tuple[ReleaseView, ...] | None:
    """The newest release of each domain, with its gates; null when there is none."""
    repository = Releases(store)
    found = []
    for domain in domains:
        for row in repository.latest([domain], limit=1):
            gates = tuple(
                GateView(
                    name=gate["gate"],
                    passed=gate["is_passed"],
                    found=gate["found"],
                    next_step=gate["next_step"],
                    measured_at=gate["measured_at"],
                )
                for gate in repository.gates(row["run_id"])
            )
            told = {name: row[name] for name in ("domain", "run_id", "state", "why", "decided_at")}
            found.append(ReleaseView(**told, gates=gates))
    return tuple(found) or None


def _finding(row: Mapping[str, Any], trends: Mapping[str, Sequence[int]]) -> FindingView:
    return FindingView(
        domain=row["domain"],
        table=row["table_name"],
        check_id=row["check_id"],
        kind=row["kind"],
        dimension=row["dimension"],
        severity=row["severity"],
        engine=row["engine"],
        passed=row["is_passed"],
        expected=row["expected"],
        observed=row["observed"],
        failing=row["failing_count"],
        rows=row["row_count"],
        sample=tuple(row["sample"]),
        trend=tuple(trends.get(row["check_id"], ())),
        checked_at=row["checked_at"],
    )
