"""dbt's tests as results of checks: the one type in which the house tells what held and what did not."""

from __future__ import annotations

from groundwork.model.checks import Check, CheckResult
from groundwork.model.vocabulary import CheckKind, Dimension, Severity
from groundwork.transform.report import GOOD, ModelResult, TestResult, TransformReport

ENGINE = "dbt"
_KINDS = {
    "not_null": (CheckKind.NOT_NULL, Dimension.COMPLETENESS),
    "unique": (CheckKind.UNIQUE, Dimension.UNIQUENESS),
    "relationships": (CheckKind.REFERENCES, Dimension.CONSISTENCY),
    "accepted_values": (CheckKind.IN_SET, Dimension.VALIDITY),
}
_OTHER = (CheckKind.QUERY, Dimension.CONSISTENCY)  # tests written as a query, and unit tests


def check_results(report: TransformReport, model: ModelResult) -> tuple[CheckResult, ...]:
    """The results of the tests of one model of a run, in the order in which they ran; skipped ones are none."""
    tests = (test for test in report.tests if test.model == model.unique_id and test.status != "skipped")
    return tuple(_result(test, model) for test in tests)


def _result(test: TestResult, model: ModelResult) -> CheckResult:
    schema, _, table = model.relation.partition(".")
    kind, dimension = _KINDS.get(test.kind, _OTHER)
    check = Check(
        id=f"dbt.{test.name}",
        schema=schema,
        table=table,
        columns=(test.column,) if test.column else (),
        kind=kind,
        dimension=dimension,
        severity=Severity.WARNING if test.severity == "warn" else Severity.ERROR,
    )
    return CheckResult(
        check=check,
        passed=test.status in GOOD and not test.failing_count,
        engine=ENGINE,
        expected="the rows of the case" if test.kind == "unit" else "no failing row",
        observed=f"{test.status}, {test.failing_count or 0} failing rows",
        failing_count=test.failing_count,
    )
