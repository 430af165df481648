"""Tasks of the schema guardian that look at contracts: their mistakes, and what their change breaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundwork.operators.guardian import MOST, GuardianOperator, Look

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.contracts.contract import Domain


class ValidateSchemaOperator(GuardianOperator):
    """Every mistake in a domain's contracts, as `groundwork validate-schema` tells them: file, line, rule and fix."""

    def look(self, context: Context) -> Look:
        """Mistakes of severity error count as errors, warnings as findings."""
        from groundwork.contracts.lint import lint_domain
        from groundwork.model.vocabulary import Severity

        findings = lint_domain(self.domain, self.settings.contracts)
        errors = sum(finding.severity is Severity.ERROR for finding in findings)
        return Look(
            told=f"{errors:,} errors and {len(findings) - errors:,} warnings in the contracts of {self.domain}",
            errors=errors,
            findings=len(findings),
            lines=[str(finding) for finding in findings],
            next_step=f"groundwork validate-schema {self.domain}",
            found={
                "errors": errors,
                "warnings": len(findings) - errors,
                "findings": [finding.to_json() for finding in findings[:MOST]],
            },
        )


class ContractDiffOperator(GuardianOperator):
    """What the change of a domain's contracts breaks, for whom, and whether their versions announce it.

    Compared with where the checkout left the revision `against` when the project is a git repository; otherwise, or
    without `against`, with the contracts as the database last agreed with them. As `groundwork contract-diff`.

    :param against: branch, tag or commit to compare with; empty for what was recorded last (templated)
    """

    template_fields: Sequence[str] = (*GuardianOperator.template_fields, "against")

    def __init__(self, *, against: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.against = against

    def look(self, context: Context) -> Look:
        """Contracts whose version says too little count as errors, every change as a finding."""
        from groundwork.contracts.evolution import compare_contracts
        from groundwork.contracts.evolution.change import unannounced
        from groundwork.contracts.evolution.naming import with_consumers
        from groundwork.contracts.evolution.report import summary, to_text

        compared_with, old, new = self._sides()
        evolution = with_consumers(compare_contracts(old, new), old, project=self.settings.project)
        late = list(unannounced([evolution]))
        return Look(
            told=f"compared with {compared_with}: {summary([evolution])}",
            errors=len(late),
            findings=len(evolution.changes),
            lines=to_text([evolution]).splitlines()[:-1] if evolution.contracts else (),
            next_step="; ".join(f"set `version: {each.least_version}` in {each.id}" for each in late)
            or f"groundwork contract-diff --against {self.against or 'main'} {self.domain}",
            found={"compared_with": compared_with, **evolution.to_json()},
        )

    def _sides(self) -> tuple[str, Domain, Domain]:
        """What is compared with, and the domain before and now."""
        from groundwork.contracts.contract import Domain
        from groundwork.contracts.evolution.sides import SideReader
        from groundwork.operators.guardian_recorded import recorded_domain

        now = self.contracts
        if self.against and self._is_repository():
            commit, before = SideReader(settings=self.settings).merge_base(self.against)
            return f"{self.against} ({commit[:12]})", before.get(self.domain, Domain(name=self.domain)), now
        recorded, before_now = recorded_domain(self.store, now, self.connection_id)
        return (f"{recorded} contracts as recorded for {self.connection_id}", before_now, now)

    def _is_repository(self) -> bool:
        from groundwork.contracts.git_repository import GitRepository
        from groundwork.model.errors import ConfigError

        try:
            GitRepository.around(self.settings.project)
        except ConfigError as error:
            self.log.info("no git repository to compare with, so what was recorded counts: %s", error.found)
            return False
        return True
