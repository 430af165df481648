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
from groundwork.insight.orbt_report import Parts, healers, orbt_status
from groundwork.model.decision import Decision
from groundwork.model.health import Situation, State
from groundwork.model.incident import Severity
from groundwork.model.vocabulary import Phase
from groundwork.orbt.health.states import most_pressing, states_of
from groundwork.orbt.health.subjects import connections_of
from groundwork.store.audit import AuditTrail
from groundwork.store.belonging import Belongings, Estate, is_about_target
from groundwork.store.classification import ClassificationResults
from groundwork.store.decision import Decisions
from groundwork.store.foundation import FoundationRuns
from groundwork.store.quality import QualityResults

_DAY = timedelta(days=1)
BOOKS = ("read", "loaded", "updated", "unchanged", "quarantined", "duplicates")  # read is the sum of the others
_MANY = 1000  # rows of history that a report looks at
_MANY_STRIKES = 5000  # that a report looks at, the newest


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


def daily_report(
    warehouse: Engine, store: Engine, domain: Domain, now: datetime, *, domains: Sequence[Domain] = ()
) -> DailyReport:
    """Gather the report of `domain` as of `now`; looks back one day where it speaks of a day.

    `domains` are all that are declared, by which it is known what no domain owns; with none it is this one. A part that
    cannot be read is left out and named in `project_status["missing_parts"]`.
    """
    parts = Parts()
    estate = _estate(domain)
    belongings = Belongings(store, [estate, *(_estate(each) for each in domains if each.name != domain.name)])
    runs = FoundationRuns(store)
    latest = parts.read("runs", lambda: runs.latest(domain.name), list)
    finished = [run for run in latest if not run["is_dry_run"]]
    criteria = parts.read("criteria", lambda: runs.criteria(finished[0]["run_id"]) if finished else [], list)
    incidents = parts.read("incidents", lambda: belongings.incidents(estate, limit=_MANY), list)
    strikes = parts.read("strikes", lambda: belongings.strikes(estate, limit=_MANY_STRIKES), list)
    decisions = parts.read("decisions", lambda: _decisions(store, domain), list)
    scores = parts.read("quality", lambda: QualityResults(store).latest_scores(domain.name), list)
    failed = parts.read("failed checks", lambda: _failed_checks(store, scores), list)
    situations = parts.read("states", lambda: dict(states_of(store, warehouse, domain, now)), dict)
    issues = _blocking_issues(criteria, [one for one in incidents if _blocks(one, domain.name)], failed)
    whole = _whole(finished, issues, situations, domain.name)
    completed = _completed(criteria)
    books = parts.read("books", lambda: _books(warehouse, domain), lambda: dict.fromkeys(BOOKS, 0))
    quality = _quality(scores, parts.read("classification", lambda: _classified(store, domain.name), lambda: (0, 0)))
    orbt = orbt_status(
        store,
        belongings=belongings,
        strikes=strikes,
        incidents=incidents,
        situations=situations,
        now=now,
        parts=parts,
    )
    knowledge = _knowledge(store, strikes, incidents, decisions, parts)
    return DailyReport(
        domain=domain.name,
        project_status=_project_status(finished, books, whole, parts.missing),
        specialist_assignments=_assignments(decisions, now - _DAY),
        deliverables_completed=completed,
        quality_metrics=quality,
        orbt_status=orbt,
        blocking_issues=issues,
        handoff_readiness=_readiness(completed, issues),
        institutional_knowledge_captured=knowledge,
    )


def _estate(domain: Domain) -> Estate:
    return Estate(domain=domain.name, connections=connections_of(domain))


def _blocks(incident: Mapping[str, Any], domain: str) -> bool:
    """Whether an open incident that belongs to the domain holds it up: its own, one about a connection that it lives
    on, or what is critical there, whoever failed.
    """
    is_own = incident["domain"] == domain or is_about_target(incident)
    return incident["state"] == "open" and (is_own or incident["severity"] == Severity.CRITICAL)


def _decisions(store: Engine, domain: Domain) -> list[Decision]:
    subjects = {table.qualified_name for table in domain.tables}
    return [one for one in Decisions(store).latest(limit=_MANY) if one.subject.partition("/")[0] in subjects]


def _project_status(
    runs: Sequence[Mapping[str, Any]],
    books: Mapping[str, int],
    whole: Situation,
    missing: Sequence[str],
) -> dict[str, Any]:
    latest = runs[0] if runs else None
    return {
        "state": str(whole.state),
        "reason": whole.reason,
        "latest_run": latest["run_id"] if latest else None,
        "latest_run_state": latest["state"] if latest else "never run",
        "latest_run_at": latest["started_at"].isoformat() if latest else None,
        "rows": dict(books),
        "missing_parts": list(missing),
    }


def _whole(
    runs: Sequence[Mapping[str, Any]], issues: Sequence[object], situations: Mapping[str, Situation], domain: str
) -> Situation:
    """The state of the domain: what blocks puts it in repair, unless its foundation is being built just now.

    Without the states of its parts the newest run of the foundation tells.
    """
    latest = runs[0]["state"] if runs else None
    if issues and latest is not None and latest != "running":
        return Situation(subject=domain, state=State.REPAIR, reason=f"{len(issues)} issue(s) block")
    if situations:
        return most_pressing(situations.values(), domain)
    state = {"failed": State.REPAIR, "success": State.OPERATING}.get(str(latest), State.BUILD)
    reason = f"the states of its parts could not be read; its foundation: {latest or 'never run'}"
    return Situation(subject=domain, state=state, reason=reason)


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


def _classified(store: Engine, domain: str) -> tuple[int, int]:
    """Columns classified, and those of them where detection and contract differ."""
    columns = ClassificationResults(store).latest(domain)
    return len(columns), sum(not row["is_agreed"] for row in columns)


def _quality(scores: Sequence[Mapping[str, Any]], classified: tuple[int, int]) -> dict[str, Any]:
    measured = [float(row["overall_pct"]) for row in scores if row["overall_pct"] is not None]
    columns, differences = classified
    return {
        "overall_pct": round(sum(measured) / len(measured), 2) if measured else None,
        "tables": {row["table_name"]: _percent(row["overall_pct"]) for row in scores},
        "checks": sum(row["check_count"] for row in scores),
        "failed_checks": sum(row["failed_count"] for row in scores),
        "columns_classified": columns,
        "classification_differences": differences,
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
            "what": f"incident, {row['severity']}, {row['subject']}: {row['fault_class']}",
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
    store: Engine,
    strikes: Sequence[Mapping[str, Any]],
    incidents: Sequence[Mapping[str, Any]],
    decisions: Sequence[Decision],
    parts: Parts,
) -> dict[str, Any]:
    return {
        "decisions": len(decisions),
        "remedies_that_healed": healers(strikes),
        "incidents_answered": sum(one["answered_at"] is not None for one in incidents),
        "classification_overrides": parts.read("overrides", lambda: len(ClassificationResults(store).overrides()), int),
        "audit_events": parts.read("audit trail", lambda: AuditTrail(store).verify().events, int),
    }


def _percent(value: object) -> float | None:
    return None if value is None else round(float(str(value)), 2)
