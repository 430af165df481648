"""The operator that builds the dbt models of a domain in one task, and tells the lineage of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.parameters import is_true

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from sqlalchemy import Engine

    from groundwork.transform.report import TransformReport


class DbtBuildOperator(GroundworkOperator):
    """Build and test the dbt models of the domain in one run of dbt.

    :param select: dbt's selection of models, all by default (templated)
    :param changed_only: build the models that differ from those of the last good run, with all that is made of them,
        what failed since, and what the warehouse has lost (templated)
    :param full_refresh: make incremental models anew, as after a change of their columns (templated)
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "select", "changed_only", "full_refresh")
    ui_color = "#f6d8c6"

    def __init__(
        self, *, select: str | None = None, changed_only: object = False, full_refresh: object = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.select = select
        self.changed_only = changed_only
        self.full_refresh = full_refresh
        self.report: TransformReport | None = None
        self.built_in: Engine | None = None

    def run(self, context: Context) -> dict[str, Any]:
        """Return models and tests with their status."""
        from groundwork.transform.build import BuildFailedError, build
        from groundwork.transform.state import BuildState

        schema = self.contracts.tables[0].schema
        self.built_in = self.warehouse  # looked up here: the process that sends lineage must ask Airflow nothing
        try:
            self.report = build(
                self.settings.dbt_project,
                self.warehouse.url,
                schema=schema,
                select=self.select or None,
                changed_only=is_true(self.changed_only),
                full_refresh=is_true(self.full_refresh),
                state=BuildState.of(self.settings.home, self.warehouse, schema),
                target_path=self.settings.home / "dbt" / "target",
            )
        except BuildFailedError as error:
            self.report = error.report
            raise
        self.log.info("%s", self.report.to_text())
        return self.report.to_json()

    def get_openlineage_facets_on_complete(self, task_instance: object) -> OperatorLineage[Any, Any]:
        """The lineage of the whole run; each model's own events go out beside it, also when some failed."""
        from groundwork.operators.lineage_models import emit_models
        from groundwork.transform.lineage import model_lineages, transform_lineage

        if self.report is not None and self.built_in is not None:
            self.lineage = transform_lineage(self.built_in, self.report)
            emit_models(model_lineages(self.built_in, self.report), self.operation, task_instance)
        return super().get_openlineage_facets_on_complete(task_instance)
