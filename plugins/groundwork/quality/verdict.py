"""From a measured number to a result: what counts as passed, and the words for expected and observed.

Every engine hands its counts here, so that two engines with the same counts cannot come to different verdicts.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from groundwork.model.checks import Check, CheckResult
from groundwork.model.comparison import Comparison


def judge_rows(check: Check, engine: str, failing_count: int, row_count: int) -> CheckResult:
    """The result of a check on rows: none may fail, or as many as its `accepts` allows."""
    accepts = check.arguments.get("accepts")
    measured: float = failing_count
    if check.arguments.get("unit") == "percent":
        measured = 100 * failing_count / row_count if row_count else 0
    passed = accepts.holds(measured) if isinstance(accepts, Comparison) else failing_count == 0
    return CheckResult(
        check=check,
        passed=passed,
        engine=engine,
        expected=check.description or check.id,
        observed=f"{failing_count:,} of {row_count:,} rows fail",
        failing_count=failing_count,
        row_count=row_count,
    )


def judge_row_count(check: Check, engine: str, row_count: int) -> CheckResult:
    """The result of a check on the number of rows."""
    lowest, highest = check.arguments.get("minimum"), check.arguments.get("maximum")
    above = not isinstance(lowest, int | float) or row_count >= lowest
    below = not isinstance(highest, int | float) or row_count <= highest
    return _table_level(check, engine, passed=above and below, observed=f"{row_count:,} rows", row_count=row_count)


def judge_freshness(check: Check, engine: str, age_seconds: float | None, row_count: int) -> CheckResult:
    """The result of a check on the age of the youngest row, or of the last load; what never came is not fresh."""
    largest = check.arguments["maximum_age_seconds"]
    passed = age_seconds is not None and isinstance(largest, int | float) and age_seconds <= largest
    missing, subject = ("the table is empty", "newest row") if check.columns else ("it was never loaded", "last load")
    observed = missing if age_seconds is None else f"the {subject} is {_duration(age_seconds)} old"
    return _table_level(check, engine, passed=passed, observed=observed, row_count=row_count)


def judge_value(check: Check, engine: str, value: Any, row_count: int) -> CheckResult:
    """The result of a query that gives one value."""
    measured = float(value) if isinstance(value, Decimal) else value
    accepts = check.arguments["accepts"]
    try:
        passed = isinstance(accepts, Comparison) and accepts.holds(measured)
        observed = f"the query gives {measured}"
    except TypeError:
        passed, observed = False, f"the query gives a {type(measured).__name__}, which cannot be compared"
    return _table_level(check, engine, passed=passed, observed=observed, row_count=row_count)


def not_run(check: Check, engine: str, reason: str, row_count: int | None = None) -> CheckResult:
    """The result of a check that could not be run, which counts as failed; `reason` holds no data value."""
    return CheckResult(
        check=check,
        passed=False,
        engine=engine,
        expected=check.description or check.id,
        observed=f"could not be run: {reason}",
        row_count=row_count,
    )


def _table_level(check: Check, engine: str, *, passed: bool, observed: str, row_count: int) -> CheckResult:
    return CheckResult(
        check=check,
        passed=passed,
        engine=engine,
        expected=check.description or f"{check.kind} of {check.schema}.{check.table}",
        observed=observed,
        row_count=row_count,
    )


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
