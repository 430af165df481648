"""The Great Expectations engine: checks and hand-written suites as one suite per table, run on PostgreSQL.

Owns the translation of checks to expectations and the ephemeral context; the library is imported on first use, because
that takes seconds. A suite runs as a checkpoint that asks for verdicts only, which the library answers in one scan of
the table however many columns are checked. Failing rows are never asked of it, because it would run a query for each
check: what failed is counted by `groundwork.quality.sql_engine` in one query, and samples are taken, masked, by
`groundwork.quality.sample`. What it cannot express, or only by a scan of its own, is left to SQL (`can_express`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL

from groundwork.model.checks import Check
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import CheckKind

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


def can_express(check: Check) -> bool:
    """Whether this engine runs the check; a compound key is left to SQL, at a quarter of the cost."""
    if check.kind is CheckKind.UNIQUE and len(check.columns) > 1:
        return False
    return check.kind in _EXPECTATIONS or check.kind is CheckKind.EXPECTATION


def takes_part_in_the_scan(check: Check) -> bool:
    """Whether the engine answers the check from the scan that serves all.

    For lengths it takes a second one, and for each unique column one more with a window over the whole table, where SQL
    needs one grouping.
    """
    return can_express(check) and check.kind not in (CheckKind.LENGTH, CheckKind.UNIQUE)


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


Relation = tuple[str, str]  # schema and table


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the library said of one check.

    `failing_count` (rows) and `observed` are told for hand-written expectations only; `refused` is the reason why it
    could not be run, without any data value.
    """

    holds: bool
    failing_count: int | None = None
    observed: str | None = None
    refused: str | None = None


class GreatExpectations:
    """A context on one database; close it by leaving the `with` of `great_expectations`."""

    def __init__(self, context: Any, source: Any) -> None:
        self._context = context
        self._source = source
        self._runs = 0

    def verdicts(
        self, checks: Sequence[Check], *, name: str = "validation", relation: Relation | None = None
    ) -> dict[str, Verdict]:
        """The library's verdict on each check of one table, by the check's id; changes nothing.

        One checkpoint, called `name` and the table, runs all of them: verdicts come from one scan of `relation` (schema
        and table; the checks' own by default). Where there are hand-written expectations these run a second time for
        what they observed. A check that the library or the server refuses is told alone, with the class of what went
        wrong.
        Raises: ConfigError for an expectation that the library does not know or whose arguments it refuses.
        """
        if not checks:
            return {}
        schema, table = relation or (checks[0].schema, checks[0].table)
        batch = self._whole(schema, table)
        found = self._run(f"{name} {schema}.{table}", batch, checks, "BOOLEAN_ONLY")
        by_hand = [check for check in checks if check.kind is CheckKind.EXPECTATION]
        told = self._run(f"{name} {schema}.{table}, observed", batch, by_hand, _COUNTS) if by_hand else {}
        return {check.id: _verdict(check, told.get(check.id, found[check.id])) for check in checks}

    def _whole(self, schema: str, table: str) -> Any:
        """The library's definition of all rows of a table."""
        name = f"{schema}.{table}"
        if name not in {asset.name for asset in self._source.assets}:
            asset = self._source.add_table_asset(name, table_name=table, schema_name=schema)
            asset.add_batch_definition_whole_table("whole")
        return self._source.get_asset(name).get_batch_definition("whole")

    def _run(
        self, name: str, batch: Any, checks: Sequence[Check], result_format: str | dict[str, Any]
    ) -> dict[str, Any]:
        """The library's result for each check, by the check's id."""
        gx = _library()
        self._runs += 1
        unique = f"{name} #{self._runs}"
        suite = self._context.suites.add(build_suite(unique, [as_expectation(check) for check in checks]))
        definition = self._context.validation_definitions.add(
            gx.ValidationDefinition(name=unique, data=batch, suite=suite)
        )
        checkpoint = self._context.checkpoints.add(
            gx.Checkpoint(name=unique, validation_definitions=[definition], result_format=result_format)
        )
        outcome = checkpoint.run()
        results = [result for run in outcome.run_results.values() for result in run.results]
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


def _verdict(check: Check, result: Any) -> Verdict:
    """The library's own verdict; it counts rows for expectations on rows, else it tells one observed value."""
    refused = _refusal(result)
    if refused:
        return Verdict(holds=False, refused=refused)
    found = result.result or {}
    failing = found.get("unexpected_count")
    if check.kind is CheckKind.EXPECTATION and check.arguments["type"] == "unexpected_rows_expectation":
        failing = found.get("observed_value")
    return Verdict(
        holds=bool(result.success),
        failing_count=None if failing is None else int(failing),
        observed=None if found.get("observed_value") is None else str(found["observed_value"]),
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
