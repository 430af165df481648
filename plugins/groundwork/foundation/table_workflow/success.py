"""The five marks of a successful database operation, each measured on the live system after it.

An operation succeeded when it passes schema validation, goes through a repository, has proper indexes, records its
reasoning, and leaves contract, models and database in sync.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from groundwork.change.agreement import record_contracts
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.lint import lint_domain
from groundwork.foundation.gate import report
from groundwork.foundation.table_workflow.new_table import patterns_of, told_plan
from groundwork.foundation.table_workflow.repository_trial import try_repository
from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow
from groundwork.model.errors import DataQualityError, GroundworkError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import Severity
from groundwork.store.decision import Decisions
from groundwork.store.table_workflow import TableWorkflows

_REASONED = 20  # letters below which a reason says nothing


def verify_sync(flow: TableWorkflow) -> StepResult:
    """Measure all five marks, keep the evidence, and record the contracts as carried out.

    Raises: DataQualityError with the report when a mark does not hold.
    """
    results = [_measured(flow, number, name, measure) for number, (name, measure) in enumerate(CRITERIA.items())]
    failed = [result for result in results if not result.passed]
    if failed:
        raise DataQualityError(
            f"the operation on {flow.table.qualified_name} did not succeed\n{report(failed)}",
            where=flow.run_id,
            expected=f"{', '.join(CRITERIA)} hold",
            found=", ".join(result.criterion for result in failed),
            next_step="mend what the report names, then clear this task",
        )
    contracts = [contract for contract in flow.domain.contracts if flow.table in contract.tables]
    record_contracts(flow.store, flow.domain.name, flow.target, contracts)
    return flow.keep(
        "\n".join(f"{result.criterion}: {result.found}" for result in results),
        found={
            "criteria": [
                {
                    "criterion": result.criterion,
                    "passed": result.passed,
                    "expected": result.expected,
                    "found": result.found,
                    "how_measured": result.how_measured,
                }
                for result in results
            ]
        },
    )


def _measured(
    flow: TableWorkflow, number: int, name: str, measure: Callable[[TableWorkflow, Operation], CriterionResult]
) -> CriterionResult:
    operation = Operation(project=flow.domain.name, name=name, step=flow.operation.step + number, kind="schema")
    try:
        return replace(measure(flow, operation), criterion=name)
    except (GroundworkError, SQLAlchemyError) as error:
        return CriterionResult(
            criterion=name,
            passed=False,
            expected="the measurement runs to its end",
            found=str(error),
            how_measured="the measurement itself failed",
            operation=operation,
            likely_cause=error.what if isinstance(error, GroundworkError) else "the table cannot be reached",
            next_step=error.next_step if isinstance(error, GroundworkError) else "look at the error that was found",
        )


def passes_schema_validation(flow: TableWorkflow, operation: Operation) -> CriterionResult:
    """Whether the contracts hold no error."""
    findings = lint_domain(flow.domain.name, flow.settings.contracts)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    return CriterionResult(
        criterion="passes_schema_validation",
        passed=not errors,
        expected="no error in the domain's contracts",
        found=f"{len(errors)} errors, {len(findings) - len(errors)} warnings",
        how_measured="linted every contract of the domain",
        operation=operation,
        likely_cause="a contract was changed while the workflow ran" if errors else None,
        next_step=f"groundwork validate-schema {flow.domain.name}" if errors else None,
    )


def goes_through_repository(flow: TableWorkflow, operation: Operation) -> CriterionResult:
    """Whether the table's repository can do everything a repository does."""
    calls = try_repository(flow.warehouse, flow.domain, flow.table)["calls"]
    return CriterionResult(
        criterion="goes_through_repository",
        passed=True,
        expected="a row is inserted, read, listed and deleted through the repository",
        found=", ".join(calls),
        how_measured="called the repository on the live table in a transaction that was rolled back",
        operation=operation,
    )


def has_proper_indexes(flow: TableWorkflow, operation: Operation) -> CriterionResult:
    """Whether an index serves every declared access pattern."""
    patterns = patterns_of(flow, flow.table)
    unserved = [pattern for pattern in patterns if not pattern.is_served]
    return CriterionResult(
        criterion="has_proper_indexes",
        passed=not unserved,
        expected=f"{len(patterns)} access patterns served by an index",
        found="; ".join(told_plan(pattern) for pattern in patterns) or "no access pattern is declared",
        how_measured="EXPLAIN of each declared query",
        operation=operation,
        likely_cause="an index was dropped, or none fits the query" if unserved else None,
        next_step="declare an index that fits, then run change_column" if unserved else None,
    )


def records_its_reasoning(flow: TableWorkflow, operation: Operation) -> CriterionResult:
    """Whether this run kept, for each of its steps, what it found, and a reason for each choice and each stage."""
    steps = TableWorkflows(flow.store).steps(flow.run_id)
    decisions = [each for each in Decisions(flow.store).latest(limit=1000) if each.run_id == flow.run_id]
    silent = [each.subject for each in decisions if len(each.reasoning) < _REASONED]
    silent += [step["step"] for step in steps if not step["told"]]
    plan = next((step for step in steps if step["step"] in ("generate_migration", "migration")), None)
    reasons = list(plan["reasons"]) if plan else []
    return CriterionResult(
        criterion="records_its_reasoning",
        passed=bool(decisions) and plan is not None and not silent,
        expected="a reason for every decision and every stage of the migration",
        found=f"{len(decisions)} decisions, {len(steps)} steps and {len(reasons)} stages with their reasons"
        + (f"; without: {', '.join(silent)}" if silent else ""),
        how_measured="read what this run kept in the store",
        operation=operation,
        likely_cause="a step was skipped, or its record was deleted" if silent or not decisions else None,
        next_step="clear the run from its first step" if silent or not decisions else None,
    )


def in_sync(flow: TableWorkflow, operation: Operation) -> CriterionResult:
    """Whether contract, derived model and live table say the same."""
    diff = flow.diff()
    derived = metadata(flow.domain).tables[flow.table.qualified_name]
    # groundwork: allow own_session gates measure the live database, beside what they judge
    with flow.warehouse.connect() as connection:
        live = {column["name"] for column in inspect(connection).get_columns(flow.table.name, flow.table.schema)}
    apart = sorted(live ^ {column.name for column in derived.columns})
    return CriterionResult(
        criterion="in_sync",
        passed=diff.is_empty and not apart,
        expected="no difference between contract, model and database",
        found=f"{len(diff.changes)} differences to the contract, {len(apart)} to the model",
        how_measured="compared the catalogs of the live table and of the declared one; reflected the live columns",
        operation=operation,
        likely_cause=None if diff.is_empty and not apart else "something else changed the table meanwhile",
        next_step=None if diff.is_empty and not apart else f"groundwork compare-to-db {flow.table.qualified_name}",
        details={"differences": diff.to_json()["changes"]},
    )


CRITERIA: dict[str, Callable[[TableWorkflow, Operation], CriterionResult]] = {
    "passes_schema_validation": passes_schema_validation,
    "goes_through_repository": goes_through_repository,
    "has_proper_indexes": has_proper_indexes,
    "records_its_reasoning": records_its_reasoning,
    "in_sync": in_sync,
}
