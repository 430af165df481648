"""Carries an evolution out: the database first, by a recorded migration, then the contract's file in one step.

In between the database has columns that nobody declares yet, which no load and no reader minds. The ledger knows what
is being carried out, so that whoever comes next takes it up where a run was cut off. A migration that fails is undone,
and the file was never touched.
"""

# groundwork: allow-file own_session migrates the live database and writes to the ledger of flow

from __future__ import annotations

import stat
from dataclasses import dataclass

from sqlalchemy import func, select

from groundwork.change.agreement import keep_contracts
from groundwork.change.apply import MigrationOutcome, apply_migration
from groundwork.change.facts import table_facts
from groundwork.change.plan import plan_migration
from groundwork.change.rollback import rollback_migration
from groundwork.change.squawk import opinions
from groundwork.change.stage import MigrationPlan, Risk, describe, place_of
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.diff import ObjectType, compare_domain
from groundwork.flow.source_change import EVOLVED, EVOLVING, REFUSED, record_change, settle_change
from groundwork.foundation.evolution.change import Evolution, Followed
from groundwork.foundation.evolution.draft import Draft, drafted, still_to_do
from groundwork.foundation.evolution.means import Means
from groundwork.foundation.table_workflow.migrating import present_tables
from groundwork.governance.access import apply_access
from groundwork.governance.views import access_schema, release_views
from groundwork.model.errors import ConfigError, FatalError, GroundworkError, RetriableError
from groundwork.store.migration import Migrations
from groundwork.whole_file import write_whole

_OF_COLUMNS = (ObjectType.COLUMN, ObjectType.COLUMN_TYPE, ObjectType.COLUMN_COMMENT)
_HARMLESS = (Risk.NONE, Risk.REWRITES)  # only a table that takes about a second is rewritten without being accepted


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is going to be carried out; `draft` is null where the contract has it all already, `domain` as it was."""

    domain: Domain
    table: TableContract
    evolution: Evolution
    draft: Draft | None
    plan: MigrationPlan

    @property
    def versions(self) -> tuple[str, str]:
        """The contract's version before and after."""
        if self.draft is not None:
            return self.draft.from_version, self.draft.to_version
        version = self.domain.contract_of(self.table).version
        return version, version


def prepare(means: Means, domain: Domain, table: TableContract, evolution: Evolution) -> Prepared:
    """What `evolution` takes, as far as it was not done; `domain` was read whole. Nothing is changed.

    Raises: ConfigError when contract or database may not be changed so.
    """
    left = still_to_do(table, evolution)
    draft = None if left.is_empty else drafted(domain, table, left, means.settings.contracts)
    plan = _planned(means, draft.domain if draft else domain, table, evolution)
    return Prepared(domain=domain, table=table, evolution=evolution, draft=draft, plan=plan)


def announce(means: Means, prepared: Prepared, source: str) -> int:
    """Note in the ledger what is about to be carried out; the number of the event."""
    table, evolution = prepared.table, prepared.evolution
    before, after = prepared.versions
    facts = {
        "run_id": means.run_id,
        "schema_name": table.schema,
        "table_name": table.name,
        "policy": "evolve",
        "source": source,
        "widened": [each.to_json() for each in evolution.widened],
        "from_version": before,
        "to_version": after,
    }
    with means.warehouse.connect() as connection:
        return record_change(connection, facts, added=[each.to_json() for each in evolution.added], outcome=EVOLVING)


def _planned(means: Means, domain: Domain, table: TableContract, evolution: Evolution) -> MigrationPlan:
    """The migration of exactly these columns; what else may differ is not this one's business."""
    with means.warehouse.connect() as connection:
        diff = compare_domain(connection, domain)
        facts = table_facts(connection, domain)
    concerning = {
        place_of(change)
        for change in diff.changes
        if (change.schema, change.table) == (table.schema, table.name)
        and change.object_type in _OF_COLUMNS
        and change.name in evolution.columns
    }
    plan = plan_migration(domain, diff, facts=facts, concerning=concerning)
    refused = [f"{describe(item.change)}: {item.reason}; safe way: {item.safe_way}" for item in plan.refusals]
    refused += [f"{stage.what}: {stage.risk}, {stage.why}" for stage in plan.stages if stage.risk not in _HARMLESS]
    refused += [f"squawk: {rule}" for rule in _unanswered(plan)]
    if refused:
        raise ConfigError(
            "the database cannot follow the source by itself; nothing was changed and nothing loaded",
            where=table.qualified_name,
            expected="a migration that keeps nobody waiting and loses nothing",
            found="\n    ".join(refused),
            next_step="change the contract by hand, then groundwork generate-migration, which says the safe way; or "
            "set `source.on_schema_change: quarantine`",
        )
    return plan


def _unanswered(plan: MigrationPlan) -> list[str]:
    """What squawk says that nobody has an answer to; nothing where it is not installed, as in a slim image."""
    try:
        return [f"{each.rule}: {each.message}" for each in opinions(plan) if each.answer is None]
    except FatalError:
        return []


def carry_out(means: Means, prepared: Prepared, event: int) -> Followed:
    """Migrate, put the contract in its place, record both, and let masked views follow; `event` is settled at the end.

    Raises: as `apply_migration`, when all is as it was; as `put`.
    """
    table = prepared.table
    has_access = _has_access(means, table)
    outcome = _migrated(means, prepared, event, has_access=has_access)
    if prepared.draft is not None:
        put(prepared.draft)
    keep_contracts(means.store, outcome, means.target)
    if has_access:
        apply_access(means.warehouse, present_tables(means.warehouse, prepared.plan.domain), means.settings.policies)
    with means.warehouse.connect() as connection:
        settle_change(connection, event, EVOLVED, migration_id=outcome.migration_id)
    before, after = prepared.versions
    return Followed(
        table=table.qualified_name,
        evolution=prepared.evolution,
        from_version=before,
        to_version=after,
        migration_id=outcome.migration_id,
    )


def _migrated(means: Means, prepared: Prepared, event: int, *, has_access: bool) -> MigrationOutcome:
    """Apply the plan; a failure is undone and told, and what cannot be undone now is left for the next run."""
    domain, table, plan = prepared.domain, prepared.table, prepared.plan
    before = _newest_migration(means, domain)
    is_read_by_view = any(change.observed is not None for stage in plan.stages for change in stage.changes)
    if has_access and is_read_by_view:
        with means.warehouse.begin() as connection:
            release_views(connection, [table])
    try:
        return apply_migration(means.warehouse, plan, store_engine=means.store, actor=means.actor)
    except GroundworkError as error:
        number = _newest_migration(means, domain)
        if number is not None and number != before:
            rollback_migration(means.warehouse, means.store, number, actor=means.actor)
        with means.warehouse.connect() as connection:
            settle_change(connection, event, REFUSED, reason=str(error), migration_id=number)
        if has_access:
            apply_access(means.warehouse, present_tables(means.warehouse, domain), means.settings.policies)
        raise


def put(draft: Draft) -> None:
    """Put the draft in the place of the contract, in one step.

    Raises: RetriableError when somebody has changed the contract meanwhile; ConfigError when it cannot be written.
    The database is ahead then, and the next load takes it up.
    """
    place = draft.path.resolve()
    try:
        if place.read_bytes().decode("utf-8") != draft.before:
            raise RetriableError(
                "somebody changed the contract while the database followed the source",
                where=str(draft.path),
                next_step="run the load again: it takes up what was begun",
            )
        write_whole(place, draft.after, mode=stat.S_IMODE(place.stat().st_mode))
    except OSError as error:
        raise ConfigError(
            "the contract could not be written; the database has its new form already",
            where=str(draft.path),
            found=error,
            next_step="make room or grant the right, then run the load again: it takes up what was begun",
        ) from error


def _newest_migration(means: Means, domain: Domain) -> int | None:
    rows = Migrations(means.store).latest(domain.name, 1)
    return int(rows[0]["id"]) if rows else None


def _has_access(means: Means, table: TableContract) -> bool:
    """Whether masked views stand beside the table's schema, so that they have to follow."""
    name = func.quote_ident(access_schema(table.schema))
    with means.warehouse.connect() as connection:
        return connection.scalar(select(func.to_regnamespace(name))) is not None
