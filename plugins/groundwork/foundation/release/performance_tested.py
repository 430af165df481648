"""Gate: every access pattern that the contracts declare is served by an index and answers within the budget."""

# groundwork: allow-file own_session,raw_sql gates measure the live database, beside what they judge

from __future__ import annotations

import time

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.session import run
from groundwork.contracts.fragment import parse_query
from groundwork.foundation.access_patterns import PatternEvidence, measure_patterns
from groundwork.foundation.release.subject import ReleaseSubject
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation

_ROUNDS = 5  # the median of these counts; the first one warms the cache like any other
_PATIENCE = 10  # budgets that one query may take before it is given up


def performance_tested(subject: ReleaseSubject) -> CriterionResult:
    """Plan and run each pattern on the live tables; a plan is asked of a filled copy where a table is small."""
    budget = subject.budgets.slowest_query_seconds
    with subject.warehouse.connect() as connection:
        plans = measure_patterns(connection, subject.domain)
    with subject.warehouse.execution_options(postgresql_readonly=True).connect() as connection:
        timings = _timings(connection, subject)
    unserved = [_name(plan) for plan in plans if not plan.is_served]
    slow = [name for name, seconds in timings.items() if seconds is None or seconds > budget]
    is_passed = not unserved and not slow
    measured = [seconds for seconds in timings.values() if seconds is not None]
    worst = f", the slowest in {max(measured) * 1000:.1f} ms" if measured else ""
    return CriterionResult(
        criterion="performance_tested",
        passed=is_passed,
        expected=f"each of {len(plans)} access patterns uses an index and answers within {budget * 1000:g} ms",
        found=f"{len(plans) - len(unserved)} use an index, {len(timings) - len(slow)} answer in time{worst}"
        + (f"; without an index: {', '.join(unserved)}" if unserved else "")
        + (f"; too slow: {', '.join(slow)}" if slow else ""),
        how_measured=f"EXPLAIN on live tables (on filled copies of small ones), and the median of {_ROUNDS} runs of "
        "each query on the live tables, all rows fetched",
        operation=Operation(project=subject.domain.name, name="performance tested", step=0, kind="queries"),
        likely_cause=None if is_passed else "an index is missing, or the server was busy while it was measured",
        next_step=None if is_passed else "declare an index for the pattern, or measure again when the server is calm",
        details={
            "patterns": [plan.to_json() for plan in plans],
            "seconds": {name: None if seconds is None else round(seconds, 6) for name, seconds in timings.items()},
        },
    )


def _name(plan: PatternEvidence) -> str:
    return f"{plan.table}.{plan.pattern}"


def _timings(connection: Connection, subject: ReleaseSubject) -> dict[str, float | None]:
    """Median seconds of each pattern by `schema.table.pattern`; null when the server gave it up or refused it."""
    limit = max(1, int(subject.budgets.slowest_query_seconds * _PATIENCE * 1000))
    found: dict[str, float | None] = {}
    for table in subject.domain.tables:
        for pattern in table.access_patterns:
            parse_query(pattern.query)  # a contract's text: nothing but one reading SELECT reaches the server
            try:
                with connection.begin():
                    connection.execute(
                        text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": str(limit)}
                    )
                    rounds = sorted(_seconds(connection, pattern.query) for _ in range(_ROUNDS))
                found[f"{table.qualified_name}.{pattern.name}"] = rounds[_ROUNDS // 2]
            except DBAPIError:
                found[f"{table.qualified_name}.{pattern.name}"] = None
    return found


def _seconds(connection: Connection, query: str) -> float:
    started = time.perf_counter()
    run(connection, query).all()
    return time.perf_counter() - started
