"""Gate: the migration to these contracts was carried out, taken back and carried out again, in a database apart.

What is tried: when the live database differs from the contracts, the migration that is due, on a copy of the live
tables with their rows; else the one from the contracts that the database agreed with before these (from nothing when
there are none), on empty tables.
"""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from groundwork.catalog.postgres import observe_schemas
from groundwork.change.apply import apply_migration, migrate_domain
from groundwork.change.facts import table_facts
from groundwork.change.plan import plan_migration
from groundwork.change.rollback import rollback_migration
from groundwork.change.stage import Acceptance, MigrationPlan
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.document import Document
from groundwork.contracts.read import read_contract
from groundwork.foundation.release.copied import copy_schemas, frozen, size_bytes
from groundwork.foundation.release.scratch_database import scratch_database
from groundwork.foundation.release.subject import ReleaseSubject
from groundwork.model.errors import GroundworkError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.shape import SchemaShape
from groundwork.store.contract_version import ContractVersions
from groundwork.store.migrate import migrate

_ACTOR = "groundwork:release"
_EVERYTHING = frozenset(Acceptance)  # a trial may lose what it has; nobody needs it afterwards


def migration_tested(subject: ReleaseSubject) -> CriterionResult:
    """The trial. Raises: ConfigError, RetriableError when the database for it cannot be made or filled."""
    with subject.warehouse.connect() as connection:
        is_due = not compare_domain(connection, subject.domain).is_empty
    with scratch_database(subject.scratch) as trial:
        migrate(trial)  # a store of the trial's own, so that the real one keeps no migration that never was
        start = _copy_live(subject, trial) if is_due else _make_previous(subject, trial, is_due=False)
        before = _shape(trial, subject.domain)
        steps: list[str] = []
        try:
            problem = _up_down_up(trial, subject.domain, before, steps)
        except GroundworkError as error:
            problem = f"{error.what}{f' ({error.found})' if error.found else ''}"
    return _result(subject, start, steps, problem)


def _copy_live(subject: ReleaseSubject, trial: Engine) -> str:
    schemas, budgets = subject.domain.schemas, subject.budgets
    with frozen(subject.warehouse) as (connection, snapshot):
        if size_bytes(connection, schemas) > budgets.largest_backup_bytes:
            return _make_previous(subject, trial, is_due=True)
        copy_schemas(subject.warehouse, snapshot, schemas, trial, timeout_seconds=budgets.longest_backup_seconds)
    return "a copy of the live tables with their rows"


def _make_previous(subject: ReleaseSubject, trial: Engine, *, is_due: bool) -> str:
    previous = previous_domain(subject, is_due=is_due)
    if previous is None:
        return "an empty database"
    migrate_domain(trial, previous, store_engine=trial, actor=_ACTOR)
    return "the tables of the contracts before, empty"


def previous_domain(subject: ReleaseSubject, *, is_due: bool) -> Domain | None:
    """The contracts that the warehouse agreed with before those of today; null when none are kept.

    While the migration to today's is due these are the newest that were recorded, else those before.
    """
    kept_versions = ContractVersions(subject.store)
    rows = kept_versions.newest if is_due else kept_versions.before
    contracts = []
    for row in rows(subject.domain.name, subject.target):
        document = Document(path=Path(str(row["file"])), data=row["document"], positions={})
        contracts.append(read_contract(document))
    ids = {contract.id for contract in contracts}
    kept = [contract for contract in subject.domain.contracts if contract.id not in ids]
    return replace(subject.domain, contracts=(*contracts, *kept)) if contracts else None


def _up_down_up(trial: Engine, domain: Domain, before: SchemaShape, steps: list[str]) -> str | None:
    """What went wrong in words, or null; `steps` is filled with what was done."""
    plan = _plan(trial, domain)
    if plan.refusals:
        return f"{len(plan.refusals)} changes are refused: {'; '.join(refusal.reason for refusal in plan.refusals)}"
    first = apply_migration(trial, plan, store_engine=trial, actor=_ACTOR)
    steps.append(f"up: {len(first.applied)} stages")
    if not first.remaining.is_empty:
        return f"{len(first.remaining.changes)} differences are left after it"
    if first.migration_id is None:
        return None
    undone = rollback_migration(trial, trial, first.migration_id, accept=_EVERYTHING, actor=_ACTOR)
    steps.append(f"down: {len(undone.undone)} stages")
    if _shape(trial, domain) != before:
        return "taken back, the tables are not what they were before"
    again = apply_migration(trial, _plan(trial, domain), store_engine=trial, actor=_ACTOR)
    steps.append(f"up again: {len(again.applied)} stages")
    return None if again.remaining.is_empty else f"{len(again.remaining.changes)} differences are left the second time"


def _plan(trial: Engine, domain: Domain) -> MigrationPlan:
    with trial.connect() as connection:
        diff, facts = compare_domain(connection, domain), table_facts(connection, domain)
    return plan_migration(domain, diff, facts=facts, accept=_EVERYTHING)


def _shape(trial: Engine, domain: Domain) -> SchemaShape:
    """What the tables are, but for the order of their columns: a column that comes back comes back as the last."""
    with trial.connect() as connection:
        found = observe_schemas(connection, list(domain.schemas), with_unsupported=False)
    tables = (replace(each, columns=tuple(sorted(each.columns, key=lambda one: one.name))) for each in found.tables)
    return replace(found, tables=tuple(tables))


def _result(subject: ReleaseSubject, start: str, steps: list[str], problem: str | None) -> CriterionResult:
    name = subject.domain.name
    return CriterionResult(
        criterion="migration_tested",
        passed=problem is None,
        expected="the migration runs, leaves no difference, can be taken back, and runs again",
        found=f"from {start}: {', '.join(steps) or 'nothing was done'}" + (f"; {problem}" if problem else ""),
        how_measured="carried out in a fresh database, compared with the contracts, taken back, compared with the "
        "start, carried out again; the database is dropped",
        operation=Operation(project=name, name="migration tested", step=0, kind="migrations"),
        likely_cause="rows or objects stand in the way of the migration or of its way back" if problem else None,
        next_step=f"groundwork generate-migration explain {name}" if problem else None,
        details={"start": start, "steps": steps, "problem": problem},
    )
