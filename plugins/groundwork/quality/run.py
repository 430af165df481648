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

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.checks import DerivedChecks, derive_checks
from groundwork.contracts.derive.column_checks import Untranslated
from groundwork.flow.resources import Resources
from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import DataQualityError
from groundwork.model.score import TableScore
from groundwork.model.vocabulary import CheckKind, Severity
from groundwork.quality import great_expectations as gx
from groundwork.quality import sql_engine
from groundwork.quality.score import score_table
from groundwork.quality.source_agreement import source_agreement
from groundwork.quality.suites import read_suites
from groundwork.quality.table_check import reading, run_table
from groundwork.store.quality import QualityResults


class Stage(StrEnum):
    """When a validation runs."""

    BEFORE_LOAD = "before_load"
    AFTER_LOAD = "after_load"
    AFTER_TRANSFORM = "after_transform"
    SCHEDULED = "scheduled"


_MOST_RECORDS_AFTER_LOAD = 500_000  # read again by Python's parsers: about 10 s of 10 columns
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


def validate_domain(  # noqa: PLR0913  what is validated, where it is kept, and what the run is called
    warehouse: Engine,
    store: Engine,
    domain: Domain,
    *,
    expectations: Path,
    run_id: str,
    stage: Stage | str,
    tables: Sequence[str] | None = None,
    use_great_expectations: bool = True,
    project: Path | None = None,
    resources: Resources | None = None,
) -> QualityReport:
    """Run every check on the tables of a domain (all, or those named), score them, and keep the outcome.

    Before a load the rows that are there already are checked, and neither their number nor their age. After a
    transformation the suites for what it made are run; what it read was checked after the load. Failing checks do
    not raise: ask the report. With `use_great_expectations=False` SQL runs all derived checks and suites are left out.
    With `project`, the folder that sources are relative to, each table is also compared with its source, row by row,
    after a load and by schedule: that is the accuracy that can be measured. `resources` is how sources outside are
    reached; after a load of more than half a million records the comparison is left to the schedule.
    Raises: ConfigError for a missing table or column, an unknown table name, or a broken suite.
    """
    started = time.monotonic()
    stage = Stage(stage)
    chosen = {domain.table(name).qualified_name for name in tables or [table.name for table in domain.tables]}
    derived = derive_checks(domain)
    if stage is Stage.AFTER_TRANSFORM:
        derived = DerivedChecks(checks=(), untranslated=())
    suites = _suites(expectations, domain, stage) if use_great_expectations else ()
    checks = [
        check
        for check in (*derived.checks, *suites)
        if (stage is Stage.AFTER_TRANSFORM or f"{check.schema}.{check.table}" in chosen)
        and not (stage is Stage.BEFORE_LOAD and check.kind in _ONLY_AFTER_A_LOAD)
    ]
    results = _run(warehouse, domain, checks, use_great_expectations=use_great_expectations, stage=stage)
    if project is not None and stage in (Stage.AFTER_LOAD, Stage.SCHEDULED):
        tables_chosen = [table for table in domain.tables if table.qualified_name in chosen]
        most = _MOST_RECORDS_AFTER_LOAD if stage is Stage.AFTER_LOAD else None
        agreements = [
            source_agreement(warehouse, domain, each, project, resources=resources, most_records=most)
            for each in tables_chosen
        ]
        results = _with_agreement(results, agreements)
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
    warehouse: Engine, domain: Domain, checks: Sequence[Check], *, use_great_expectations: bool, stage: Stage
) -> list[CheckResult]:
    """Results in order of table, then of check."""
    by_table: dict[str, list[Check]] = {}
    for check in checks:
        by_table.setdefault(f"{check.schema}.{check.table}", []).append(check)
    contracts = {table.qualified_name: table for table in domain.tables}
    results: list[CheckResult] = []
    with ExitStack() as stack:
        connection = stack.enter_context(reading(warehouse).connect())
        for of_table in by_table.values():
            sql_engine.require_columns(connection, of_table)  # all problems of declaration before any work
        library = stack.enter_context(gx.great_expectations(warehouse.url)) if use_great_expectations else None
        for name, of_table in by_table.items():
            results += run_table(connection, library, contracts.get(name), of_table, name=str(stage))
    return results


def _suites(expectations: Path, domain: Domain, stage: Stage) -> tuple[Check, ...]:
    return read_suites(expectations, domain, of_transformed=stage is Stage.AFTER_TRANSFORM)


def _with_agreement(results: Sequence[CheckResult], found: Sequence[CheckResult | None]) -> list[CheckResult]:
    """The results with each table's agreement with its source behind them; order of tables as it was."""
    extra = [result for result in found if result is not None]
    order = {name: place for place, name in enumerate(dict.fromkeys(_table_name(result) for result in results))}
    return sorted([*results, *extra], key=lambda result: order.get(_table_name(result), len(order)))


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f} %"


def _table_name(result: CheckResult) -> str:
    return f"{result.check.schema}.{result.check.table}"
