"""Operators of the phase `schema_design`: contracts are read, compared with the database, planned and applied."""

# groundwork: allow-file own_session hands a connection to an engine room, which does the work

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from groundwork.model.errors import ConfigError, SkippableError
from groundwork.model.vocabulary import Severity
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import accepted, is_true

if TYPE_CHECKING:
    from airflow.sdk import Context


class ValidateContractsOperator(GroundworkOperator):
    """Check every contract of the domain against the standard's JSON Schema and Groundwork's own rules.

    Fails with every finding at once, each with file, line, rule and fix; changes nothing.
    """

    operation_kind: ClassVar[str] = "schema"

    def run(self, context: Context) -> dict[str, Any]:
        """Return the number of contracts, tables and findings by severity."""
        from groundwork.contracts.lint import lint_domain

        findings = lint_domain(self.domain, self.settings.contracts)
        for finding in findings:
            self.log.warning("%s", finding)
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        if errors:
            raise ConfigError(
                f"the contracts of {self.domain} have {len(errors)} errors\n" + "\n".join(str(one) for one in errors),
                expected="no finding of severity error",
                found=f"{len(errors)} errors",
                next_step=f"groundwork validate-schema {self.domain}",
            )
        domain = self.contracts
        return {"contracts": len(domain.contracts), "tables": len(domain.tables), "warnings": len(findings)}


class CompareOperator(GroundworkOperator):
    """Compare the declared tables with the live database, both ways.

    :param must_be_equal: fail when there is any difference (the check after a change)
    """

    operation_kind: ClassVar[str] = "schema"

    def __init__(self, *, must_be_equal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.must_be_equal = must_be_equal

    def run(self, context: Context) -> dict[str, Any]:
        """Return the differences as data."""
        from groundwork.contracts.diff import compare_domain

        with self.warehouse.connect() as connection:
            diff = compare_domain(connection, self.contracts)
        self.log.info("%s", diff.to_text())
        if self.must_be_equal and not diff.is_empty:
            raise ConfigError(
                f"the database still differs from the contracts of {self.domain}\n{diff.to_text()}",
                expected="no difference",
                found=f"{len(diff.changes)} differences",
                next_step=f"groundwork compare-to-db {self.domain}; settle what only a person can decide",
            )
        return {"differences": len(diff.changes), "is_empty": diff.is_empty}


class MigrateOperator(GroundworkOperator):
    """Plan the steps from the live database to the contracts and carry them out.

    Transactional where PostgreSQL allows, under a lock timeout, idempotent, and resumable: what a run that was cut off
    has done is not done again.

    :param is_dry_run: explain every step and change nothing (templated)
    :param only_plan: stop after the explanation, for the step before
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "is_dry_run")
    operation_kind: ClassVar[str] = "migrations"

    def __init__(self, *, is_dry_run: object = False, only_plan: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_dry_run = is_dry_run
        self.only_plan = only_plan

    def run(self, context: Context) -> dict[str, Any]:
        """Return the plan, or what was applied and what remains."""
        from groundwork.change.agreement import keep_contracts
        from groundwork.change.apply import apply_migration
        from groundwork.change.plan import plan_migration
        from groundwork.contracts.diff import compare_domain

        domain = self.contracts
        with self.warehouse.connect() as connection:
            plan = plan_migration(domain, compare_domain(connection, domain))
        self.log.info("%s", plan.explain())
        if self.only_plan:
            return plan.to_json()
        if is_true(self.is_dry_run):
            raise SkippableError("a dry run: the steps above would run; nothing was changed")
        outcome = apply_migration(self.warehouse, plan, store_engine=self.store, actor=self.actor(context))
        keep_contracts(self.store, outcome, self.connection_id)
        self.log.info("%d stages applied, %d differences remain", len(outcome.applied), len(outcome.remaining.changes))
        return outcome.to_json()


class RollbackMigrationOperator(GroundworkOperator):
    """Bring back the form that the database had before a migration; rows that were dropped do not come back.

    As `groundwork generate-migration rollback ID`.

    :param migration_id: number of the migration, which must be the domain's newest (templated)
    :param accept: `loss` where the migration dropped values; a list or text with commas (templated)
    :param is_dry_run: tell what would be undone, and change nothing (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "migration_id", "accept", "is_dry_run")
    operation_kind: ClassVar[str] = "migrations"

    def __init__(
        self, *, migration_id: int | str, accept: str | Sequence[str] = (), is_dry_run: object = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.migration_id = migration_id
        self.accept = accept
        self.is_dry_run = is_dry_run

    def run(self, context: Context) -> dict[str, Any]:
        """Return what was undone."""
        from groundwork.change.rollback import rollback_migration

        outcome = rollback_migration(
            self.warehouse,
            self.store,
            self._number(),
            accept=accepted(self.accept),
            dry_run=is_true(self.is_dry_run),
            actor=self.actor(context),
        )
        for stage in outcome.undone:
            self.log.info("%s", stage.what)
        return outcome.to_json()

    def _number(self) -> int:
        try:
            return int(self.migration_id)
        except ValueError as error:
            raise ConfigError(
                "a migration is named by its number",
                where="migration_id",
                expected="a number, as `groundwork generate-migration status` lists them",
                found=self.migration_id,
            ) from error
