"""The operator that takes and stores design decisions about a domain's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from groundwork.model.decision import DESIGN_KINDS, DecisionKind
from groundwork.model.errors import ConfigError
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import names_in

if TYPE_CHECKING:
    from airflow.sdk import Context

    from groundwork.contracts.contract import TableContract
    from groundwork.specialists.advisor import Advisor

_MODEL_SECONDS = 60


class DecisionOperator(GroundworkOperator):
    """Decide the design of tables from evidence of the live database, and keep each decision with its reasons.

    Rules decide. With a model connection Claude is asked as well; its answer counts only when it passes the same
    guardrails, and whatever it does the record says so. Nothing in the warehouse changes.

    :param kind: `index_design`, `partition_design` or `all` (templated)
    :param tables: names of tables, a list or text with commas; empty for all tables of the domain (templated)
    :param model_connection_id: Airflow connection of type `pydanticai`; empty for rules alone (templated)
    :param model_timeout_seconds: longest time one question to the model may take
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "kind", "tables", "model_connection_id")
    operation_kind: ClassVar[str] = "schema"

    def __init__(
        self,
        *,
        kind: str = "all",
        tables: str | Sequence[str] = (),
        model_connection_id: str | None = None,
        model_timeout_seconds: float = _MODEL_SECONDS,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.tables = tables
        self.model_connection_id = model_connection_id
        self.model_timeout_seconds = model_timeout_seconds

    def run(self, context: Context) -> list[dict[str, Any]]:
        """Decide and store; one summary per decision with `id`, `kind`, `subject`, `choice`, `decided_by`."""
        from groundwork.specialists.deciding import decide
        from groundwork.store.decision import Decisions

        kinds, advisor, domain = self._kinds(), self._advisor(), self.contracts
        store = Decisions(self.store)
        summaries: list[dict[str, Any]] = []
        for table in self._tables():
            # groundwork: allow own_session hands a connection to an engine room, which does the work
            with self.warehouse.connect() as connection, connection.begin():
                decisions = decide(
                    connection,
                    domain,
                    table,
                    kinds,
                    operation=self.operation,
                    advisor=advisor,
                    run_id=context["ti"].run_id,
                )
            for decision in decisions:
                store.record(decision)
                self.log.info(
                    "%s of %s: %s, by %s", decision.kind, decision.subject, decision.choice, decision.decided_by
                )
                summaries.append(
                    {
                        "id": str(decision.id),
                        "kind": decision.kind.value,
                        "subject": decision.subject,
                        "choice": decision.choice,
                        "confidence": decision.confidence,
                        "decided_by": decision.decided_by,
                        "refused": [each.guardrail for each in decision.verdicts if not each.passed],
                    }
                )
        return summaries

    def _kinds(self) -> tuple[DecisionKind, ...]:
        if self.kind == "all":
            return DESIGN_KINDS
        try:
            return (DESIGN_KINDS[DESIGN_KINDS.index(DecisionKind(self.kind))],)
        except ValueError as error:
            expected = ", ".join(["all", *DESIGN_KINDS])
            raise ConfigError("there is no such decision", where="kind", expected=expected, found=self.kind) from error

    def _tables(self) -> list[TableContract]:
        domain = self.contracts
        return [domain.table(name) for name in names_in(self.tables)] or list(domain.tables)

    def _advisor(self) -> Advisor | None:
        if not self.model_connection_id:
            return None
        from groundwork.operators.model_advisor import AirflowAdvisor

        return AirflowAdvisor(self.model_connection_id, timeout_seconds=self.model_timeout_seconds)
