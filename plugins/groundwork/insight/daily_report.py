"""The daily report of a domain: status, findings, issues, recommendations, from what is in the store.

Owns what is told, not how it is shown or sent. The fields are those of requirement F6, no more and no fewer.
Everything told was measured or recorded by a run; what was never measured is said to be missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.flow.ledger import latest_loads
from groundwork.model.decision import Decision
from groundwork.model.vocabulary import Phase
from groundwork.store.audit import AuditTrail
from groundwork.store.classification import ClassificationResults
from groundwork.store.decision import Decisions
from groundwork.store.foundation import FoundationRuns
from groundwork.store.incident import Incidents
from groundwork.store.quality import QualityResults
from groundwork.store.strike import Strikes

_DAY = timedelta(days=1)
BOOKS = ("read", "loaded", "updated", "unchanged", "quarantined", "duplicates")  # read is the sum of the others
_MANY = 1000  # rows of history that a report looks at


@dataclass(frozen=True, kw_only=True)
class DailyReport:
    """The report as data; times are UTC, `quality_metrics` percentages are 0 to 100."""

    domain: str
    project_status: dict[str, Any]
    specialist_assignments: list[dict[str, Any]]
    deliverables_completed: list[str]
    quality_metrics: dict[str, Any]
    orbt_status: dict[str, Any]
    blocking_issues: list[dict[str, str]]
    handoff_readiness: dict[str, Any]
    institutional_knowledge_captured: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The report's fields, JSON-ready."""
        return asdict(self)


def daily_report(warehouse: Engine, store: Engine, domain: Domain, now: datetime) -> DailyReport:
    """Gather the report of `domain` as of `now`; looks back one day where it speaks of a day."""
    runs = FoundationRuns(store)
    finished = [run for run in runs.latest(domain.name) if not run["is_dry_run"]]
    criteria = runs.criteria(finished[0]["run_id"]) if finished else []
    incidents = [one for one in Incidents(store).latest(limit=_MANY) if one["domain"] == domain.name]
    open_incidents = [one for one in incidents if one["state"] == "open"]
    subjects = {table.qualified_name for table in domain.tables}
    decisions = [one for one in Decisions(store).latest(limit=_MANY) if one.subject.partition("/")[0] in subjects]
    scores = QualityResults(store).latest_scores(domain.name)
    issues = _blocking_issues(criteria, open_incidents, _failed_checks(store, scores))
    completed = _completed(criteria)
    return DailyReport(
        domain=domain.name,
        project_status=_project_status(finished, completed, issues, _books(warehouse, domain)),
        specialist_assignments=_assignments(decisions, now - _DAY),
        deliverables_completed=completed,
        quality_metrics=_quality(scores, store, domain.name),
        orbt_status=_orbt(store, domain.name, open_incidents, now - _DAY),
        blocking_issues=issues,
        handoff_readiness=_readiness(completed, issues),
        institutional_knowledge_captured=_knowledge(store, domain.name, incidents, decisions),
    )


def _project_status(
    runs: Sequence[Mapping[str, Any]],
    completed: Sequence[str],
    issues: Sequence[object],
    books: Mapping[str, int],
) -> dict[str, Any]:
    latest = runs[0] if runs else None
    if latest is None or latest["state"] == "running" or (len(completed) < len(Phase) and not issues):
        state = "build"
    else:
        state = "repair" if issues or latest["state"] == "failed" else "operating"
    return {
        "state": state,
        "latest_run": latest["run_id"] if latest else None,
        "latest_run_state": latest["state"] if latest else "never run",
        "latest_run_at": latest["started_at"].isoformat() if latest else None,
        "rows": dict(books),
    }


def _books(warehouse: Engine, domain: Domain) -> dict[str, int]:
    """Rows of the newest load of each table, summed."""
    total = dict.fromkeys(BOOKS, 0)
    # groundwork: allow own_session the report looks at tables of the whole domain, whatever it is
    with warehouse.connect() as connection:
        for schema in sorted({table.schema for table in domain.tables}):
            for load in latest_loads(connection, schema):
                for name in BOOKS:
                    total[name] += load[name]
    return total


def _assignments(decisions: Sequence[Decision], since: datetime) -> list[dict[str, Any]]:
    recent = [one for one in decisions if one.decided_at >= since]
    counted = Counter((one.specialist, str(one.kind), one.decided_by) for one in recent)
    return [
        {"specialist": specialist, "task": kind, "decided_by": by, "decisions": count}
        for (specialist, kind, by), count in sorted(counted.items())
    ]


def _completed(criteria: Sequence[Mapping[str, Any]]) -> list[str]:
    """Deliverables whose every criterion holds in the newest run."""
    passed = {(row["phase"], row["criterion"]) for row in criteria if row["is_passed"]}
    return [phase.deliverable for phase in Phase if all((phase, name) in passed for name in phase.criteria)]


def _failed_checks(store: Engine, scores: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not scores:
        return []
    newest = max(scores, key=lambda row: row["scored_at"])
    failed = QualityResults(store).results(newest["run_id"], newest["stage"], only_failed=True)
    return [row for row in failed if row["severity"] == "error"]


def _quality(scores: Sequence[Mapping[str, Any]], store: Engine, domain: str) -> dict[str, Any]:
    measured = [float(row["overall_pct"]) for row in scores if row["overall_pct"] is not None]
    columns = ClassificationResults(store).latest(domain)
    return {
        "overall_pct": round(sum(measured) / len(measured), 2) if measured else None,
        "tables": {row["table_name"]: _percent(row["overall_pct"]) for row in scores},
        "checks": sum(row["check_count"] for row in scores),
        "failed_checks": sum(row["failed_count"] for row in scores),
        "columns_classified": len(columns),
        "classification_differences": sum(not row["is_agreed"] for row in columns),
    }


def _orbt(store: Engine, domain: str, open_incidents: Sequence[Mapping[str, Any]], since: datetime) -> dict[str, Any]:
    strikes = [row for row in Strikes(store).latest(_MANY, domain) if row["struck_at"] >= since]
    outcomes = Counter(row["outcome"] for row in strikes)
    return {
        "strikes": len(strikes),
        "healed": outcomes["healed"],
        "escalated": outcomes["escalated"],
        "by_class": dict(sorted(Counter(row["fault_class"] for row in strikes).items())),
        "open_incidents": len(open_incidents),
    }


def _blocking_issues(
    criteria: Sequence[Mapping[str, Any]],
    incidents: Sequence[Mapping[str, Any]],
    failed_checks: Sequence[Mapping[str, Any]],
) -> list[dict[str, str]]:
    issues = [
        {
            "what": f"criterion {row['criterion']} does not hold",
            "found": row["found"],
            "next_step": row["next_step"] or f"open the evidence of {row['phase']}",
        }
        for row in criteria
        if not row["is_passed"]
    ]
    issues += [
        {
            "what": f"incident in {row['dag_id']}/{row['task_id']}: {row['fault_class']}",
            "found": str(row["report"]["business_impact"]),
            "next_step": str(row["report"]["recommended_action"]),
        }
        for row in incidents
    ]
    issues += [
        {
            "what": f"check {row['check_id']} fails",
            "found": row["observed"],
            "next_step": "look at the masked sample; correct the source or the contract",
        }
        for row in failed_checks
    ]
    return issues


def _readiness(completed: Sequence[str], issues: Sequence[object]) -> dict[str, Any]:
    missing = [phase.deliverable for phase in Phase if phase.deliverable not in completed]
    return {"is_ready": not missing and not issues, "missing": missing, "blocking_issues": len(issues)}


def _knowledge(
    store: Engine, domain: str, incidents: Sequence[Mapping[str, Any]], decisions: Sequence[Decision]
) -> dict[str, Any]:
    remedies: Counter[str] = Counter()
    for strike in Strikes(store).latest(_MANY, domain):
        if strike["outcome"] == "healed":
            remedies.update(entry["name"] for entry in strike["remedies"])
    return {
        "decisions": len(decisions),
        "remedies_that_healed": dict(sorted(remedies.items())),
        "incidents_answered": sum(one["state"] != "open" for one in incidents),
        "classification_overrides": len(ClassificationResults(store).overrides()),
        "audit_events": AuditTrail(store).verify().events,
    }


def _percent(value: object) -> float | None:
    return None if value is None else round(float(str(value)), 2)
