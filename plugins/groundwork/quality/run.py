"""Validation of a domain: which checks run at a stage, on what engine, and what is kept of it.

Owns the order of the work. Checks come from the contracts and from suites written by hand; results and scores go to the
store in one transaction, where a second run of the same stage of the same run replaces the first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection, Engine

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.column_checks import Untranslated
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import DataQualityError
from groundwork.model.score import TableScore
from groundwork.model.vocabulary import CheckKind, Severity
from groundwork.quality import great_expectations as gx
from groundwork.quality import sql_engine
from groundwork.quality.sample import with_sample
from groundwork.quality.score import score_table
from groundwork.quality.suites import read_suites
from groundwork.store.quality import QualityResults


class Stage(StrEnum):
    """When a validation runs."""

    BEFORE_LOAD = "before_load"
    AFTER_LOAD = "after_load"
    AFTER_TRANSFORM = "after_transform"
    SCHEDULED = "scheduled"


_ONLY_AFTER_A_LOAD = frozenset({CheckKind.ROW_COUNT, CheckKind.FRESHNESS})  # they ask for what a load brings


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """What one validation found; results in order of table and check."""

    domain: str
    run_id: str
    stage: Stage
    results: tuple[CheckResult, ...]
    scores: tuple[TableScore, ...]
    untranslated: tuple[Untranslated, ...]
    seconds: float

    @property
    def errors(self) -> tuple[CheckResult, ...]:
        """The failed checks that are more than a warning."""
        return tuple(r for r in self.results if not r.passed and r.check.severity is Severity.ERROR)

    @property
    def orphans(self) -> int:
        """Rows that refer to a row that does not exist, over all relationships."""
        return sum(r.failing_count or 0 for r in self.results if r.check.kind is CheckKind.REFERENCES)

    @property
    def passed(self) -> bool:
        """Whether no check of severity error failed."""
        return not self.errors

    def to_json(self) -> dict[str, object]:
        """Counts and scores, JSON-ready."""
        return {
            "domain": self.domain,
            "stage": str(self.stage),
            "checks": len(self.results),
            "failed": [result.check.id for result in self.results if not result.passed],
            "orphans": self.orphans,
            "scores": {f"{score.schema}.{score.table}": score.overall_pct for score in self.scores},
            "untranslated": len(self.untranslated),
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """Counts, scores and failed checks for a person."""
        lines = [f"{self.domain}, {self.stage}: {len(self.results)} checks, {self.seconds:.1f} s"]
        lines += [f"  {score.schema}.{score.table}: {_percent(score.overall_pct)}" for score in self.scores]
        lines += [
            f"  {result.check.severity}: {result.check.id}: expected {result.expected}; {result.observed}"
            for result in self.results
            if not result.passed
        ]
        return "\n".join([*lines, *(f"  no check: {i.table} {i.what}: {i.reason}" for i in self.untranslated)])

    def raise_if_failed(self) -> None:
        """Return when the data is good.

        Raises: DataQualityError naming the checks of severity error that failed.
        """
        if self.passed:
            return
        lines = [f"  {r.check.id}: expected {r.expected}; {r.observed}" for r in self.errors]
        raise DataQualityError(
            f"{len(self.errors)} of {len(self.results)} checks failed\n" + "\n".join(lines),
            where=f"domain {self.domain}, {self.stage}",
            expected="every check of severity error holds",
            found=", ".join(result.check.id for result in self.errors),
            next_step="look at the masked samples on the page Groundwork > Quality, then correct source or contract",
        )


def validate_domain(
    warehouse: Engine,
    store: Engine,
    domain: Domain,
    *,
    expectations: Path,
    run_id: str,
    stage: Stage | str,
    tables: Sequence[str] | None = None,
    use_great_expectations: bool = True,
) -> QualityReport:
    """Run every check on the tables of a domain (all, or those named), score them, and keep the outcome.

    Before a load the rows that are there already are checked, and neither their number nor their age. Failing checks do
    not raise: ask the report. With `use_great_expectations=False` SQL runs all derived checks and suites are left out.
    Raises: ConfigError for a missing table or column, an unknown table name, or a broken suite.
    """
    started = time.monotonic()
    stage = Stage(stage)
    derived = derive_checks(domain)
    chosen = {domain.table(name).qualified_name for name in tables or [table.name for table in domain.tables]}
    suites = read_suites(expectations, domain) if use_great_expectations else ()
    checks = [
        check
        for check in (*derived.checks, *suites)
        if f"{check.schema}.{check.table}" in chosen
        and not (stage is Stage.BEFORE_LOAD and check.kind in _ONLY_AFTER_A_LOAD)
    ]
    results = _run(warehouse, domain, checks, use_great_expectations=use_great_expectations)
    report = QualityReport(
        domain=domain.name,
        run_id=run_id,
        stage=stage,
        results=tuple(results),
        scores=tuple(score_table(list(group)) for _, group in groupby(results, key=_table_name)),
        untranslated=tuple(item for item in derived.untranslated if item.table in chosen),
        seconds=time.monotonic() - started,
    )
    QualityResults(store).record(run_id, domain.name, stage, report.results, report.scores)
    return report


def _run(
    warehouse: Engine, domain: Domain, checks: Sequence[Check], *, use_great_expectations: bool
) -> list[CheckResult]:
    """Results in order of table, then of check."""
    by_table: dict[str, list[Check]] = {}
    for check in checks:
        by_table.setdefault(f"{check.schema}.{check.table}", []).append(check)
    reading = warehouse.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    results: list[CheckResult] = []
    with ExitStack() as stack:
        connection = stack.enter_context(reading.connect())
        for of_table in by_table.values():
            sql_engine.require_columns(connection, of_table)  # all problems of declaration before any work
        library = stack.enter_context(gx.great_expectations(warehouse.url)) if use_great_expectations else None
        for name, of_table in by_table.items():
            found = _run_table(connection, library, of_table)
            results += [with_sample(connection, domain.table(name), result) for result in found]
    return results


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} %"


def _table_name(result: CheckResult) -> str:
    return f"{result.check.schema}.{result.check.table}"


def _run_table(
    connection: Connection, library: gx.GreatExpectations | None, checks: Sequence[Check]
) -> list[CheckResult]:
    ours = [check for check in checks if library is None or not gx.can_express(check)]
    theirs = [check for check in checks if check not in ours]
    results = library.run_checks(theirs) if library is not None else []
    # What the library could not run on this table (types it does not know) has one more chance in SQL.
    refused = [r.check for r in results if r.observed.startswith("could not") and r.check.kind in sql_engine.KINDS]
    found = {result.check.id: result for result in (*results, *sql_engine.run_checks(connection, [*ours, *refused]))}
    return [found[check.id] for check in checks]
