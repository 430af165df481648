"""What a foundation run achieved, for a person to read: collected from store, ledger and files, told as text.

A section whose source is not there (yet) is left out; nothing is filled in for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, inspect, select

from groundwork.contracts.contract import Domain
from groundwork.local.declarations import count_rows
from groundwork.local.layout import Layout
from groundwork.local.status import count_lines
from groundwork.store.foundation import FoundationRuns

_BOOKS = ("read", "loaded", "updated", "unchanged", "quarantined", "duplicates")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One run. `books` has the newest finished load of each table, `checks` and `models` (done, all) by kind."""

    run: Mapping[str, Any] | None
    phases: Sequence[Mapping[str, Any]]
    criteria: Sequence[Mapping[str, Any]]
    rows: Mapping[str, int]
    books: Sequence[Mapping[str, Any]]
    checks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lineage_events: int = 0

    @property
    def failed_criteria(self) -> list[Mapping[str, Any]]:
        """The criteria that closed a gate."""
        return [criterion for criterion in self.criteria if not criterion["is_passed"]]


def summarise(layout: Layout, domain: Domain, run_id: str, warehouse: Engine, store: Engine) -> Summary:
    """Collect the summary of a run."""
    runs = FoundationRuns(store)
    return Summary(
        run=next((run for run in runs.latest(domain.name) if run["run_id"] == run_id), None),
        phases=runs.phases(run_id),
        criteria=runs.criteria(run_id),
        rows=count_rows(warehouse, domain),
        books=_books(warehouse, domain),
        checks=_checks(store, run_id),
        scores=_scores(store, domain.name),
        models=_models(layout),
        lineage_events=count_lines(layout.lineage),
    )


def told(summary: Summary) -> Iterator[str]:
    """The summary as lines of text."""
    yield from _told_phases(summary)
    yield from _told_tables(summary)
    if summary.checks:
        yield ""
        for stage, (passed, all_of_them) in summary.checks.items():
            yield f"checks {stage}: {passed} of {all_of_them} passed"
    if summary.scores:
        yield _told_scores(summary.scores)
    if summary.models:
        yield "dbt: " + ", ".join(
            f"{done} of {every} {kind.replace('_', ' ')}s" for kind, (done, every) in summary.models.items()
        )
    yield f"lineage: {summary.lineage_events} events so far"


def told_failure(criteria: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What closed the gate: expected, found, likely cause and next step of each failed criterion."""
    for criterion in criteria:
        yield f"✗ {criterion['phase']} · {criterion['criterion']} ({criterion['operation_id']})"
        for label, key in (("expected", "expected"), ("found", "found"), ("measured", "how_measured"),
                           ("cause", "likely_cause"), ("next", "next_step")):  # fmt: skip
            if criterion[key]:
                yield f"    {label:<9} {criterion[key]}"


def _told_phases(summary: Summary) -> Iterator[str]:
    for phase in summary.phases:
        yield f"\n{phase['phase']:<46} {phase['state']:<8} {_seconds(phase)}"
        for criterion in summary.criteria:
            if criterion["phase"] == phase["phase"]:
                mark = "✓" if criterion["is_passed"] else "✗"
                yield f"  {mark} {criterion['criterion']:<24} {criterion['found']}"


def _told_tables(summary: Summary) -> Iterator[str]:
    books = {f"{book['schema_name']}.{book['table_name']}": book for book in summary.books}
    yield ""
    yield f"{'table':<34}{'rows':>9}   " + "".join(f"{name:>12}" for name in _BOOKS)
    for name, rows in summary.rows.items():
        book = books.get(name)
        yield f"{name:<34}{rows:>9}   " + "".join(f"{book[part]:>12}" for part in _BOOKS if book)
    if books:
        total = {part: sum(book[part] for book in books.values()) for part in _BOOKS}
        others = " + ".join(f"{total[part]} {part}" for part in _BOOKS[1:])
        sign = "=" if total["read"] == sum(total[part] for part in _BOOKS[1:]) else "≠"
        yield f"{len(summary.rows)} tables; {total['read']} read {sign} {others}"


def _told_scores(scores: Mapping[str, float]) -> str:
    below = [f"{name} {score:.1f} %" for name, score in scores.items() if score < 100]
    perfect = len(scores) - len(below)
    return "quality: " + ", ".join([*below, f"{perfect} of {len(scores)} tables at 100 %"])


def _seconds(phase: Mapping[str, Any]) -> str:
    started, finished = phase["started_at"], phase["finished_at"]
    is_timed = isinstance(started, datetime) and isinstance(finished, datetime)
    return f"{(finished - started).total_seconds():6.1f} s" if is_timed else ""


def _books(warehouse: Engine, domain: Domain) -> list[Mapping[str, Any]]:
    from groundwork.flow.ledger import LOAD

    if not inspect(warehouse).has_table(LOAD.name, schema=LOAD.schema):
        return []
    query = (
        select(LOAD)
        .where(LOAD.c.state == "finished", LOAD.c.is_trial.is_(False))
        .where(LOAD.c.schema_name.in_({table.schema for table in domain.tables}))
        .distinct(LOAD.c.schema_name, LOAD.c.table_name)
        .order_by(LOAD.c.schema_name, LOAD.c.table_name, LOAD.c.load_id.desc())
    )
    with warehouse.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _checks(store: Engine, run_id: str) -> dict[str, tuple[int, int]]:
    from groundwork.store.quality import CHECK_RESULT, QualityResults

    if not inspect(store).has_table(CHECK_RESULT.name, schema=CHECK_RESULT.schema):
        return {}
    counted: dict[str, tuple[int, int]] = {}
    for result in QualityResults(store).results(run_id):
        passed, every = counted.get(result["stage"], (0, 0))
        counted[result["stage"]] = (passed + int(result["is_passed"]), every + 1)
    return counted


def _scores(store: Engine, domain: str) -> dict[str, float]:
    from groundwork.store.quality import QUALITY_SCORE, QualityResults

    if not inspect(store).has_table(QUALITY_SCORE.name, schema=QUALITY_SCORE.schema):
        return {}
    scores = QualityResults(store).latest_scores(domain)
    return {score["table_name"]: float(score["overall_pct"]) for score in scores if score["overall_pct"] is not None}


def _models(layout: Layout) -> dict[str, tuple[int, int]]:
    """From dbt's own report of its last run; a kind is the first word of a node's id: model, test, seed, …"""
    try:
        report = json.loads((layout.home / "dbt" / "target" / "run_results.json").read_text(encoding="utf-8"))
        counted: dict[str, tuple[int, int]] = {}
        for result in report["results"]:
            kind = result["unique_id"].partition(".")[0]
            done, every = counted.get(kind, (0, 0))
            counted[kind] = (done + int(result["status"] in {"success", "pass"}), every + 1)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return counted
