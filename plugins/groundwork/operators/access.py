"""Operators of the phase `data_access_layer`: repositories, and roles with their masked views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from groundwork.operators.operator import GroundworkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class RepositoriesOperator(GroundworkOperator):
    """Make a repository from each contract and prove that it reaches its table."""

    operation_kind: ClassVar[str] = "apis"

    def run(self, context: Context) -> list[str]:
        """Return the tables that a repository serves."""
        from groundwork.access.repository import Repositories

        domain = self.contracts
        repositories = Repositories(self.warehouse, domain)
        for table in domain.tables:
            repositories[table.name].list(limit=1)
        return [table.qualified_name for table in domain.tables]


class ApplyAccessOperator(GroundworkOperator):
    """Make the domain's roles, grants and masked views as contracts and policies say; idempotent."""

    operation_kind: ClassVar[str] = "apis"

    def run(self, context: Context) -> dict[str, Any]:
        """Return what was changed."""
        from groundwork.governance.access import apply_access
        from groundwork.store.audit import AuditTrail

        outcome = apply_access(self.warehouse, self.contracts, self.settings.policies)
        changed = outcome.to_json()
        AuditTrail(self.store).append(
            actor=self.actor(context),
            action="access_applied",
            subject=f"{self.connection_id}:{self.domain}",
            operation_id=self.operation.id,
            section=self.operation.section,
            details=changed,
        )
        return changed
