"""The steps that both workflows share: validate, plan the migration, apply it, and let models and access follow."""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, select

from groundwork.catalog.postgres import observe
from groundwork.change.apply import apply_migration
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.json_schema import row_schema
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.diff import ObjectType
from groundwork.contracts.lint import lint_domain
from groundwork.foundation.table_workflow.approval import require_approval
from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow
from groundwork.governance.access import apply_access
from groundwork.governance.views import release_views
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Severity

_READ_BY_VIEWS = (ObjectType.COLUMN, ObjectType.COLUMN_TYPE)


def validate(flow: TableWorkflow) -> StepResult:
    """The domain's contracts hold no error. Raises: ConfigError with every error at once."""
    findings = lint_domain(flow.domain.name, flow.settings.contracts)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise ConfigError(
            f"the contracts of {flow.domain.name} have {len(errors)} errors",
            where=f"domain {flow.domain.name}",
            expected="no finding of severity error",
            found="\n".join(str(error) for error in errors),
            next_step=f"groundwork validate-schema {flow.domain.name}",
        )
    return flow.keep(
        f"{len(flow.domain.contracts)} contracts without errors, {len(findings)} warnings",
        reasons=[str(finding) for finding in findings],
        found={"warnings": [finding.to_json() for finding in findings]},
    )


def generate_migration(flow: TableWorkflow) -> StepResult:
    """The plan from the live table to its contract, every stage with why, lock and way back.

    Raises: ConfigError when the plan holds something that is refused, with the safe way.
    """
    plan = flow.plan()
    if plan.refusals:
        raise ConfigError(
            "the migration holds changes that are refused",
            where=flow.table.qualified_name,
            expected="changes that can be made",
            found="\n".join(f"{item.reason}; safe way: {item.safe_way}" for item in plan.refusals),
            next_step="take the safe way, or run again with `accept` set to what the change does (rewrite, loss)",
        )
    return flow.keep(
        plan.explain(),
        reasons=[f"{stage.what}: {stage.why}" for stage in plan.stages],
        found={"plan": plan.to_json(), "digest": plan.digest, "needs_approval": plan.needs_approval},
    )


def apply(flow: TableWorkflow) -> StepResult:
    """Carry the plan out, then bring roles, grants and masked views of the tables that are there along.

    Raises: ConfigError when the plan needs an approval and what was approved is another one; as `apply_migration`.
    """
    plan = flow.plan()
    require_approval(flow, plan)
    is_view_in_the_way = any(
        change.object_type in _READ_BY_VIEWS and change.observed is not None
        for stage in plan.stages
        for change in stage.changes
    )
    if is_view_in_the_way:
        with flow.warehouse.begin() as connection:
            release_views(connection, [flow.table])
    try:
        outcome = apply_migration(flow.warehouse, plan, store_engine=flow.store, actor=flow.actor)
    finally:
        access = apply_access(flow.warehouse, present_part(flow), flow.settings.policies)
    return flow.keep(
        f"{len(outcome.applied)} stages applied, {len(access.changes)} changes of access",
        reasons=[f"{stage.what}: {stage.why}" for stage in outcome.applied],
        found={
            "applied": [stage.what for stage in outcome.applied],
            "migration_id": outcome.migration_id,
            "access": access.to_json(),
        },
    )


def present_part(flow: TableWorkflow) -> Domain:
    """The workflow's domain with those of its tables that the database has."""
    return present_tables(flow.warehouse, flow.domain)


def present_tables(warehouse: Engine, domain: Domain) -> Domain:
    """The domain with those of its tables that the database has."""
    with warehouse.connect() as connection:
        schemas = sorted({table.schema for table in domain.tables})
        present = {(shape.schema, shape.name) for shape in observe(connection, schemas)}
    contracts = tuple(
        replace(contract, tables=tuple(each for each in contract.tables if (each.schema, each.name) in present))
        for contract in domain.contracts
    )
    return replace(domain, contracts=contracts)


def model(flow: TableWorkflow) -> StepResult:
    """What is derived from the contract, each part made and the SQLAlchemy model read through once.

    Raises: ConfigError when the model and the live table do not agree.
    """
    table = metadata(flow.domain).tables[flow.table.qualified_name]
    checks = derive_checks(flow.domain)
    own = [check for check in checks.checks if (check.schema, check.table) == (flow.table.schema, flow.table.name)]
    schema = row_schema(flow.table)
    columns = [column.name for column in table.columns]
    is_there = flow.table in present_part(flow).tables
    if is_there and not _column_changes(flow):
        with flow.warehouse.connect() as connection:
            columns = list(connection.execute(select(table).limit(0)).keys())
    found: dict[str, Any] = {
        "sqlalchemy": {"columns": columns, "constraints": len(table.constraints), "indexes": len(table.indexes)},
        "checks": [check.id for check in own],
        "untranslated": [str(each) for each in checks.untranslated],
        "json_schema": {"required": list(schema.get("required", ())), "properties": list(schema["properties"])},
    }
    return flow.keep(
        f"SQLAlchemy model with {len(columns)} columns, JSON Schema with {len(schema['properties'])} properties, "
        f"{len(own)} quality checks, masked view and repository: all derived from the contract",
        found=found,
    )


def _column_changes(flow: TableWorkflow) -> bool:
    return any(change.object_type is ObjectType.COLUMN for change in flow.diff().changes)
