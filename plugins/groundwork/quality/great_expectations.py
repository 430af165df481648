"""The Great Expectations engine: checks and hand-written suites as one suite per table, run on PostgreSQL.

Owns the translation of checks to expectations and the ephemeral context; the library is imported on first use, because
that takes seconds. A suite runs twice: first with verdicts only, which the library answers in one scan, then, for what
failed or has a tolerance, with counts. Values of failing rows are never asked of it: samples are taken, masked, by
`groundwork.quality.sample`. What it cannot express is left to the SQL engine (`can_express`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL

from groundwork.model.checks import Check, CheckResult
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind
from groundwork.quality.verdict import judge_row_count, judge_rows, not_run

ENGINE = "great_expectations"
_READ_ONLY = "-c default_transaction_read_only=on"
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0, "exclude_unexpected_values": True}
_EXPECTATIONS = {
    CheckKind.NOT_NULL: "expect_column_values_to_not_be_null",
    CheckKind.UNIQUE: "expect_column_values_to_be_unique",
    CheckKind.IN_SET: "expect_column_values_to_be_in_set",
    CheckKind.BETWEEN: "expect_column_values_to_be_between",
    CheckKind.LENGTH: "expect_column_value_lengths_to_be_between",
    CheckKind.MATCHES: "expect_column_values_to_match_regex",
    CheckKind.ROW_COUNT: "expect_table_row_count_to_be_between",
}
_ROW_COUNT = "expect_table_row_count_to_be_between"


def can_express(check: Check) -> bool:
    """Whether this engine runs the check; a compound key is left to SQL, at a quarter of the cost."""
    if check.kind is CheckKind.UNIQUE and len(check.columns) > 1:
        return False
    return check.kind in _EXPECTATIONS or check.kind is CheckKind.EXPECTATION


def as_expectation(check: Check) -> dict[str, Any]:
    """The check as an entry of a suite file, with its id in the entry's `meta`.

    Raises: KeyError for a check that `can_express` refuses.
    """
    is_hand_written = check.kind is CheckKind.EXPECTATION
    name = check.arguments["type"] if is_hand_written else _EXPECTATIONS[check.kind]
    return {"type": name, "kwargs": _arguments(check), "meta": {"check": check.id}}


def _arguments(check: Check) -> dict[str, Any]:
    given = check.arguments
    column = {"column": check.columns[0]} if check.columns else {}
    match check.kind:
        case CheckKind.EXPECTATION:
            return dict(given["kwargs"]) if isinstance(given["kwargs"], Mapping) else {}
        case CheckKind.IN_SET:
            return {**column, "value_set": list(given["values"]) if isinstance(given["values"], tuple) else []}
        case CheckKind.MATCHES:
            return {**column, "regex": given["postgresql_pattern"]}
        case CheckKind.BETWEEN:
            return {**column, **_bounds(given)}
        case CheckKind.LENGTH | CheckKind.ROW_COUNT:
            bounds = {"min_value": given.get("minimum"), "max_value": given.get("maximum")}
            return {**column, **{name: value for name, value in bounds.items() if value is not None}}
        case _:
            return column


def _bounds(given: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for side, short in (("minimum", "min"), ("maximum", "max")):
        if f"exclusive_{side}" in given:
            found |= {f"{short}_value": given[f"exclusive_{side}"], f"strict_{short}": True}
        elif side in given:
            found[f"{short}_value"] = given[side]
    return found


class GreatExpectations:
    """A context on one database; close it by leaving the `with` of `great_expectations`."""

    def __init__(self, context: Any, source: Any) -> None:
        self._context = context
        self._source = source

    def run_checks(self, checks: Sequence[Check]) -> list[CheckResult]:
        """Run checks of one table in the order given; changes nothing.

        A check that the library or the server refuses fails alone, with the class of what went wrong.
        Raises: ConfigError for an expectation that the library does not know or whose arguments it refuses.
        """
        if not checks:
            return []
        batch = self._batch(checks[0].schema, checks[0].table)
        verdicts = self._validate(batch, checks, "BOOLEAN_ONLY")
        counted = [check for check in checks if _needs_counts(check, verdicts[check.id])]
        counts = self._validate(batch, [*counted, _row_count_of(checks[0])], _COUNTS)
        row_count = int(counts[_ROW_COUNT].result["observed_value"])
        return [_result(check, verdicts[check.id], counts.get(check.id), row_count) for check in checks]

    def _batch(self, schema: str, table: str) -> Any:
        name = f"{schema}.{table}"
        if name not in {asset.name for asset in self._source.assets}:
            asset = self._source.add_table_asset(name, table_name=table, schema_name=schema)
            asset.add_batch_definition_whole_table("whole")
        return self._source.get_asset(name).get_batch_definition("whole").get_batch()

    def _validate(self, batch: Any, checks: Sequence[Check], result_format: str | dict[str, Any]) -> dict[str, Any]:
        """The library's result for each check, by the check's id."""
        suite = build_suite(checks[0].table, [as_expectation(check) for check in checks])
        results = batch.validate(suite, result_format=result_format).results
        return {result.expectation_config.meta["check"]: result for result in results}


@contextmanager
def great_expectations(url: URL, application_name: str = "groundwork:quality") -> Iterator[GreatExpectations]:
    """An ephemeral context on the database of `url`, with telemetry and progress bars off."""
    gx = _library()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_postgres(
        "warehouse",
        connection_string=url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False),
        create_temp_table=False,
        kwargs={"connect_args": {"application_name": application_name, "options": _READ_ONLY}},
    )
    try:
        yield GreatExpectations(context, source)
    finally:
        source.get_execution_engine().engine.dispose()
        source.get_engine().dispose()


def build_suite(name: str, entries: Sequence[Mapping[str, Any]]) -> Any:
    """A suite of the library from entries with `type`, `kwargs` and `meta`.

    Raises: ConfigError naming the entry that the library refuses.
    """
    gx = _library()
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    expectations = []
    for entry in entries:
        try:
            expectation = get_expectation_impl(str(entry["type"]))
            expectations.append(expectation(**entry["kwargs"], meta=dict(entry["meta"])))
        except (ExpectationNotFoundError, ValueError, TypeError) as error:
            raise ConfigError(
                f"Great Expectations refuses the expectation `{entry['type']}`",
                where=f"suite {name}",
                found=error,
                next_step="correct its type or arguments; the gallery of Great Expectations lists them",
            ) from error
    return gx.ExpectationSuite(name=name, expectations=expectations)


def _library() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when the library is imported
    import great_expectations as gx

    return gx


def _row_count_of(check: Check) -> Check:
    """A check that always holds and brings the number of rows."""
    return Check(
        id=_ROW_COUNT,
        schema=check.schema,
        table=check.table,
        kind=CheckKind.ROW_COUNT,
        arguments={"minimum": 0},
        dimension=check.dimension,
    )


def _needs_counts(check: Check, verdict: Any) -> bool:
    return not verdict.success or "accepts" in check.arguments or check.kind is CheckKind.EXPECTATION


def _result(check: Check, verdict: Any, counted: Any | None, row_count: int) -> CheckResult:
    refused = _refusal(counted if counted is not None else verdict)
    if refused:
        return not_run(check, ENGINE, refused, row_count)
    if check.kind is CheckKind.ROW_COUNT:
        return judge_row_count(check, ENGINE, row_count)
    if check.kind is CheckKind.EXPECTATION:
        return _hand_written(check, counted, row_count)
    failing = int(counted.result.get("unexpected_count") or 0) if counted is not None else 0
    return judge_rows(check, ENGINE, failing, row_count)


def _hand_written(check: Check, counted: Any, row_count: int) -> CheckResult:
    """The library's own verdict stands; it counts rows for expectations on rows, else it tells one observed value."""
    found = counted.result
    failing = found.get("unexpected_count")
    if check.arguments["type"] == "unexpected_rows_expectation":
        failing = found.get("observed_value")
    observed = f"observed {found.get('observed_value')}"
    if failing is not None:
        observed = f"{int(failing):,} of {row_count:,} rows fail"
    return CheckResult(
        check=check,
        passed=bool(counted.success),
        engine=ENGINE,
        expected=check.description or check.id,
        observed=observed,
        failing_count=None if failing is None else int(failing),
        row_count=row_count,
    )


def _refusal(result: Any) -> str | None:
    """Why the library could not run an expectation, without the text, which may quote a data value; null if it could.

    The library tells exceptions either as one entry or as one entry per metric.
    """
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in entries if isinstance(entry, Mapping) and entry.get("raised_exception")]
    if not raised:
        return None
    return str(raised[0].get("exception_message") or "").partition(":")[0].strip()[:80] or "an error of the library"
