"""Gate: every table was validated lately and after its last load, and no check of severity error failed."""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from groundwork.contracts.contract import TableContract
from groundwork.flow.ledger import latest_loads
from groundwork.foundation.release.subject import ReleaseSubject
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import Severity
from groundwork.store.base import utc_now
from groundwork.store.quality import QualityResults


def data_validated(subject: ReleaseSubject) -> CriterionResult:
    """What the store keeps of the newest validation of each table, beside what the ledger says of its loads."""
    domain, results = subject.domain, QualityResults(subject.store)
    scores = {(row["schema_name"], row["table_name"]): row for row in results.latest_scores(domain.name)}
    failed = _failed(results, domain.name, scores)
    loads: dict[tuple[str, str], datetime] = {}
    with subject.warehouse.connect() as connection:
        for schema in domain.schemas:
            for load in latest_loads(connection, schema):
                loads[(schema, load["table_name"])] = load["finished_at"]
    problems: dict[str, str] = {}
    for table in domain.tables:
        place = (table.schema, table.name)
        problem = _problem(subject, table, scores.get(place), loads.get(place), failed.get(place, []))
        if problem:
            problems[table.qualified_name] = problem
    is_passed = bool(domain.tables) and not problems
    return CriterionResult(
        criterion="data_validated",
        passed=is_passed,
        expected=f"each of {len(domain.tables)} tables validated after its last load, at most "
        f"{subject.budgets.oldest_validation_seconds / 3600:g} hours ago, without a failed check of severity error",
        found=f"{len(domain.tables) - len(problems)} of {len(domain.tables)} tables are"
        + (f"; not: {_listed(problems)}" if problems else ""),
        how_measured="the newest results and scores in the store, and the books of loads in the warehouse",
        operation=Operation(project=domain.name, name="data validated", step=0, kind="monitoring"),
        likely_cause=None if is_passed else "data changed after the validation, or broke its contract",
        next_step=None if is_passed else "run the Dag `validation`; failing rows stand on the page Quality",
        details={"problems": problems, "scores": {".".join(place): _overall(row) for place, row in scores.items()}},
    )


def _listed(problems: Mapping[str, str]) -> str:
    """Tables with the same problem together."""
    reasons = dict.fromkeys(problems.values())
    return "; ".join(f"{', '.join(name for name in problems if problems[name] == why)} ({why})" for why in reasons)


def _failed(
    results: QualityResults, domain: str, scores: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[tuple[str, str], list[str]]:
    """Ids of failed checks of severity error behind each table's newest score."""
    found: dict[tuple[str, str], list[str]] = {}
    for run_id, stage in {(row["run_id"], row["stage"]) for row in scores.values()}:
        for row in results.results(run_id, stage, only_failed=True):
            place = (row["schema_name"], row["table_name"])
            score = scores.get(place)
            is_newest = score is not None and (score["run_id"], score["stage"]) == (run_id, stage)
            if is_newest and row["domain"] == domain and row["severity"] == Severity.ERROR:
                found.setdefault(place, []).append(row["check_id"])
    return found


def _problem(
    subject: ReleaseSubject,
    table: TableContract,
    score: Mapping[str, Any] | None,
    loaded_at: datetime | None,
    failed: list[str],
) -> str | None:
    if score is None:
        return "it was never validated"
    if failed:
        return f"{len(failed)} checks failed: {', '.join(failed[:3])}"
    age = (utc_now() - score["scored_at"]).total_seconds()
    if age > subject.budgets.oldest_validation_seconds:
        return f"the validation is {age / 3600:.1f} hours old"
    if table.source is not None and loaded_at is not None and loaded_at > score["scored_at"]:
        return "it was loaded after the validation"
    return None


def _overall(row: Mapping[str, Any]) -> float | None:
    return None if row["overall_pct"] is None else float(row["overall_pct"])
