"""What every step of a workflow works on, and how it keeps what it found.

A step reads the world anew, so that a run can go on after an interruption at any step; between steps only the record
in the store is handed on.
"""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from groundwork.change.facts import table_facts
from groundwork.change.plan import plan_migration
from groundwork.change.stage import Acceptance, MigrationPlan
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.diff import Diff, compare_domain
from groundwork.model.operation import Operation
from groundwork.settings import Settings
from groundwork.store.table_workflow import StepRecord, TableWorkflows


@dataclass(frozen=True, kw_only=True)
class TableWorkflow:
    """One run of a workflow on one table.

    `run_id` is unique over all Dags, `target` the Airflow connection id of the warehouse, `operation` the step that
    runs now, `accepted` what the caller lets a migration do beyond the harmless.
    """

    run_id: str
    domain: Domain
    table: TableContract
    warehouse: Engine
    store: Engine
    target: str
    settings: Settings
    actor: str
    operation: Operation
    accepted: frozenset[Acceptance] = frozenset()

    def diff(self) -> Diff:
        """How the live table differs from its contract now."""
        with self.warehouse.connect() as connection:
            return compare_domain(connection, self.domain).of_table(self.table.qualified_name)

    def plan(self) -> MigrationPlan:
        """What would bring the live table to its contract now."""
        with self.warehouse.connect() as connection:
            diff = compare_domain(connection, self.domain).of_table(self.table.qualified_name)
            facts = table_facts(connection, self.domain)
        return plan_migration(self.domain, diff, facts=facts, accept=self.accepted)

    def keep(self, told: str, *, reasons: Sequence[str] = (), found: Mapping[str, Any] | None = None) -> StepResult:
        """Keep what this step found, and return it."""
        step = StepRecord(
            step=self.operation.name.replace(" ", "_"),
            told=told,
            reasons=tuple(reasons),
            found=found or {},
            operation_id=self.operation.id,
        )
        TableWorkflows(self.store).record(self.run_id, step)
        return StepResult(told=told, reasons=tuple(reasons), found=dict(found or {}))

    def found(self, step: str) -> Mapping[str, Any]:
        """What an earlier step of this run found; empty when it has not run."""
        row = TableWorkflows(self.store).step(self.run_id, step)
        return row["found"] if row else {}


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step found: for people, why, and as JSON-ready data."""

    told: str
    reasons: tuple[str, ...]
    found: Mapping[str, Any]
