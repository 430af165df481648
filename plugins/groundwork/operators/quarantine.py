"""Rows of the quarantine once more through the load, as a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groundwork.flow.pipelines.catalogue import pipeline_domain
from groundwork.model.errors import DataQualityError
from groundwork.operators.assets import CHANGED_TABLES, table_asset
from groundwork.operators.operator import GroundworkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReplayQuarantineOperator(GroundworkOperator):
    """Load held rows of a table again, after data or contract were corrected; what gets in is settled, once.

    :param table: the table, with or without its schema (templated)
    :param load_id: only rows of this load (templated)
    :param reason: only rows that break `rule` or `rule:column` (templated)
    :param values: column → value that takes the place of the kept one in every row; null is SQL NULL (templated)
    :param must_clear: fail when rows stay in quarantine
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "table", "load_id", "reason", "values")
    ui_color = "#f3e3c9"

    def __init__(
        self,
        *,
        table: str,
        load_id: int | str | None = None,
        reason: str | None = None,
        values: Mapping[str, str | None] | None = None,
        must_clear: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"outlets": [CHANGED_TABLES], **kwargs})
        self.table = table
        self.load_id = load_id
        self.reason = reason
        self.values = values
        self.must_clear = must_clear

    def run(self, context: Context) -> dict[str, Any]:
        """Return how many rows were replayed, failed again, or could not be read; and the books of the loads."""
        from groundwork.flow.quarantine.read import Selection
        from groundwork.flow.quarantine.replay import replay_quarantine
        from groundwork.flow.quarantine.replay_source import Corrections
        from groundwork.store.audit import AuditTrail

        domain = pipeline_domain(self.settings.contracts, self.domain, self.table)
        contract = domain.table(self.table)
        load_id = int(self.load_id) if self.load_id and self.load_id != "None" else None
        AuditTrail(self.store).append(
            actor=self.actor(context),
            action="quarantine_replay_started",
            subject=f"quarantine:{contract.qualified_name}",
            details={"load_id": load_id, "reason": self.reason, "columns": sorted(self.values or ())},
        )
        result = replay_quarantine(
            self.warehouse,
            domain,
            contract,
            project=self.settings.project,
            run_id=str(context["run_id"]),
            selection=Selection(load_id=load_id, reason=self.reason or None),
            corrections=Corrections(for_all=dict(self.values or {})),
        )
        self.log.info("%s", result)
        if result.replayed:
            asset = table_asset(contract.schema, contract.name, self.connection_id)
            context["outlet_events"][CHANGED_TABLES].add(asset, extra={"replayed": result.replayed})
        if self.must_clear and result.failed + result.unfit:
            raise DataQualityError(
                "rows stay in quarantine",
                where=contract.qualified_name,
                expected="every selected row gets in",
                found=str(result),
                next_step=f"groundwork quarantine list --table {contract.qualified_name}",
            )
        return result.to_json()
