"""The checks of one table, on the table itself or on another relation of its form, such as rows that wait to be loaded.

Owns how the two engines share the work. Great Expectations gives its verdicts from one scan while SQL, on a connection
of its own, does what the library cannot in another; only then is counted, in one more scan, what failed. How many scans
that makes does not depend on the number of columns or of checks on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import Connection, Engine

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.checks import derive_checks
from groundwork.model.checks import Check, CheckResult
from groundwork.model.vocabulary import CheckKind
from groundwork.quality import great_expectations as gx
from groundwork.quality import sql_engine
from groundwork.quality.sample import with_samples
from groundwork.quality.verdict import judge_row_count, judge_rows, not_run

Relation = tuple[str, str]  # schema and table
_OF_THE_WHOLE = frozenset({CheckKind.ROW_COUNT, CheckKind.FRESHNESS, CheckKind.QUERY})


def reading(engine: Engine) -> Engine:
    """`engine` with transactions that see one state of the database and change nothing."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def check_table(
    source: Connection | Engine, domain: Domain, table: TableContract, *, relation: Relation | None = None
) -> tuple[CheckResult, ...]:
    """Every check on rows that the contract of `table` asks for, counted by SQL on `relation`; reads only.

    Without a relation the contract's own table is checked, with checks on the whole of it as well. A relation holds
    rows that are not published yet: what is asked of the table as a whole (number, age, queries that name it) and
    references to the table itself, whose targets may come with the same rows, are left out there. Samples are masked.
    Raises: ConfigError when a table or column is missing; RetriableError when the connection is lost.
    """
    checks = [
        check
        for check in derive_checks(domain).of_table(table.schema, table.name)
        if relation is None or not (check.kind in _OF_THE_WHOLE or _refers_to_itself(check))
    ]
    if isinstance(source, Connection):
        return tuple(run_table(source, None, table, checks, relation=relation))
    with reading(source).connect() as connection:
        return tuple(run_table(connection, None, table, checks, relation=relation))


def run_table(
    connection: Connection,
    library: gx.GreatExpectations | None,
    table: TableContract | None,
    checks: Sequence[Check],
    *,
    name: str = "validation",
    relation: Relation | None = None,
) -> list[CheckResult]:
    """Results of `checks`, all on one table, in their order; `name` names the library's checkpoint.

    With the table's contract failing rows are sampled; without it nothing says what may be shown.
    Raises: ConfigError for what a contract or suite has wrong; RetriableError when the connection is lost.
    """
    place = relation or (checks[0].schema, checks[0].table)
    moved = {check.id: replace(check, schema=place[0], table=place[1]) for check in checks}
    theirs = [check for check in moved.values() if library is not None and gx.takes_part_in_the_scan(check)]
    ours = [check for check in moved.values() if check not in theirs]
    with ThreadPoolExecutor(1, thread_name_prefix="checks") as beside:
        counting = beside.submit(sql_engine.measure, connection, place, ours)
        verdicts = library.verdicts(theirs, name=name, relation=relation) if library is not None else {}
        row_count, by_sql = counting.result()
    failed = [check for check in theirs if _must_be_counted(check, verdicts[check.id])]
    counted = sql_engine.measure(connection, place, failed)[1] if failed else []
    counts = {result.check.id: result for result in counted}
    found = {result.check.id: result for result in by_sql}
    found |= {check.id: _result(check, verdicts[check.id], counts.get(check.id), row_count) for check in theirs}
    if table is not None:
        found = {each.check.id: each for each in with_samples(connection, table, list(found.values()), place)}
    return [replace(found[check.id], check=check) for check in checks]


def _refers_to_itself(check: Check) -> bool:
    target = (check.arguments.get("schema"), check.arguments.get("table"))
    return check.kind is CheckKind.REFERENCES and target == (check.schema, check.table)


def _must_be_counted(check: Check, verdict: gx.Verdict) -> bool:
    """Whether SQL has to say how many rows fail; also where the library could not run a check that SQL can."""
    if check.kind not in sql_engine.KINDS or check.kind is CheckKind.ROW_COUNT:
        return False
    return not verdict.holds or "accepts" in check.arguments


def _result(check: Check, verdict: gx.Verdict, counted: CheckResult | None, row_count: int) -> CheckResult:
    if check.kind is CheckKind.EXPECTATION:
        return _by_hand(check, verdict, row_count)
    if check.kind is CheckKind.ROW_COUNT and verdict.refused is None:
        return judge_row_count(check, gx.ENGINE, row_count)
    if counted is None:
        refused = verdict.refused
        return not_run(check, gx.ENGINE, refused, row_count) if refused else judge_rows(check, gx.ENGINE, 0, row_count)
    if verdict.refused is not None:
        return counted  # by SQL, whose verdict stands
    if not verdict.holds and counted.failing_count == 0 and "accepts" not in check.arguments:
        seen = "Great Expectations saw rows that fail, which were not there a moment before"
        return replace(counted, engine=gx.ENGINE, passed=False, observed=seen)
    return replace(counted, engine=gx.ENGINE)


def _by_hand(check: Check, verdict: gx.Verdict, row_count: int) -> CheckResult:
    """The library's own verdict stands."""
    if verdict.refused is not None:
        return not_run(check, gx.ENGINE, verdict.refused, row_count)
    observed = f"observed {verdict.observed}"
    if verdict.failing_count is not None:
        observed = f"{verdict.failing_count:,} of {row_count:,} rows fail"
    return CheckResult(
        check=check,
        passed=verdict.holds,
        engine=gx.ENGINE,
        expected=check.description or check.id,
        observed=observed,
        failing_count=verdict.failing_count,
        row_count=row_count,
    )
