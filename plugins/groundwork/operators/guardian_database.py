"""Tasks of the schema guardian that look at the live database: how it differs, and what would bring it to contract."""

# groundwork: allow-file own_session hands a connection to an engine room, which does the work

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from groundwork.model.errors import SkippableError
from groundwork.operators.guardian import MOST, GuardianOperator, Look
from groundwork.operators.parameters import accepted

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.contracts.contract import Domain
    from groundwork.contracts.diff import Diff


class _DatabaseOperator(GuardianOperator):
    """Looks at a domain's tables in the database, or at one of them.

    :param table: name of one table, with or without its schema; empty for the whole domain (templated)
    """

    template_fields: Sequence[str] = (*GuardianOperator.template_fields, "table")

    def __init__(self, *, table: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table = table

    def _only(self, domain: Domain, diff: Diff) -> Diff:
        return diff.of_table(domain.table(self.table).qualified_name) if self.table else diff

    @property
    def _target(self) -> str:
        return self.table or self.domain


class CompareToDatabaseOperator(_DatabaseOperator):
    """How the live database differs from the contracts, both ways, as `groundwork compare-to-db` tells it.

    A difference is a finding, not an error: a contract that was changed and not yet migrated is no fault.
    """

    def look(self, context: Context) -> Look:
        """Each difference is a finding."""
        from groundwork.change.stage import describe
        from groundwork.contracts.diff import compare_domain

        domain = self.contracts
        with self.warehouse.connect() as connection:
            diff = self._only(domain, compare_domain(connection, domain))
        self.log.info("%s", diff.to_text())
        return Look(
            told=f"{len(diff.changes):,} differences between {self.connection_id} and the contracts of {self._target}",
            findings=len(diff.changes),
            lines=[describe(change) for change in diff.changes],
            next_step=f"groundwork compare-to-db {self._target}",
            found={
                "is_empty": diff.is_empty,
                "differences": len(diff.changes),
                "changes": [describe(change) for change in diff.changes[:MOST]],
            },
        )


class ExplainMigrationOperator(_DatabaseOperator):
    """What would bring the database to its contracts, as `groundwork generate-migration explain`; nothing is changed.

    Each stage with its reason, lock, risk, statements and way back. Skips itself when there is nothing to do.

    :param accept: what the migration might do beyond the harmless, of `rewrite` and `loss`; a list or text with commas
        (templated)
    """

    template_fields: Sequence[str] = (*_DatabaseOperator.template_fields, "accept")
    operation_kind: ClassVar[str] = "migrations"

    def __init__(self, *, accept: str | Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accept = accept

    def look(self, context: Context) -> Look:
        """Each stage is a finding; what would have to be refused is an error.

        Raises: SkippableError when database and contracts agree.
        """
        from groundwork.change.facts import table_facts
        from groundwork.change.plan import plan_migration
        from groundwork.change.stage import describe
        from groundwork.contracts.diff import compare_domain

        domain = self.contracts
        with self.warehouse.connect() as connection:
            diff = self._only(domain, compare_domain(connection, domain))
            facts = table_facts(connection, domain)
        plan = plan_migration(domain, diff, facts=facts, accept=accepted(self.accept))
        if plan.is_empty and not plan.left_alone:
            raise SkippableError(f"{self.connection_id} is what the contracts of {self._target} declare")
        self.log.info("%s", plan.explain())
        counts = f"{len(plan.stages):,} stages, {len(plan.refusals):,} refused, {len(plan.left_alone):,} left alone"
        return Look(
            told=f"the migration of {self._target}: {counts}"
            + ("; a person has to approve it" if plan.needs_approval else ""),
            errors=len(plan.refusals),
            findings=len(plan.stages) + len(plan.refusals) + len(plan.left_alone),
            lines=[
                *(f"refused: {describe(each.change)}: {each.reason}" for each in plan.refusals),
                *(f"{stage.what} (risk: {stage.risk}; lock: {stage.lock})" for stage in plan.stages),
                *(f"left alone: {describe(change)}" for change in plan.left_alone),
            ],
            next_step=f"groundwork generate-migration explain {self._target}, then the Dag change_column per table",
            found=plan.to_json(),
        )
