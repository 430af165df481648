"""What every Groundwork operator shares: its domain, its engines, its operation id, its links and its lineage.

An operator of ours is thin: `run` calls one function of an engine room and returns what Airflow should keep. It never
holds logic that a command or a test would want without Airflow.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from groundwork.contracts.read import read_domain
from groundwork.model.lineage import Lineage
from groundwork.model.operation import Operation
from groundwork.operators import connections
from groundwork.operators.errors import airflow_errors
from groundwork.operators.links import EvidenceLink
from groundwork.settings import STORE_CONNECTION, WAREHOUSE_CONNECTION, Settings

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context
    from sqlalchemy import Engine

    from groundwork.contracts.contract import Domain

COLOUR = "#dbe7f3"


class GroundworkOperator(BaseOperator):
    """Root of Groundwork's operators.

    :param domain: name of the domain, a folder below `governance/contracts` (templated)
    :param connection_id: Airflow connection of the warehouse (templated)
    :param store_connection_id: Airflow connection of Groundwork's own database (templated)
    :param step: number of the step in its flow, the last part of the operation id
    """

    template_fields: Sequence[str] = ("domain", "connection_id", "store_connection_id")
    ui_color = COLOUR
    operator_extra_links = (EvidenceLink(),)
    operation_kind: ClassVar[str] = "general"

    def __init__(
        self,
        *,
        domain: str,
        connection_id: str = WAREHOUSE_CONNECTION,
        store_connection_id: str = STORE_CONNECTION,
        step: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"doc_md": inspect.getdoc(type(self)), **kwargs})
        self.domain = domain
        self.connection_id = connection_id
        self.store_connection_id = store_connection_id
        self.step = step
        self.lineage = Lineage()

    @abstractmethod
    def run(self, context: Context) -> Any:
        """Do the work and return a JSON-ready value."""

    def execute(self, context: Context) -> Any:
        """Run under the operation id, with Groundwork's errors turned into Airflow's."""
        self.log.info("operation %s, section %s", self.operation.id, self.operation.section)
        with airflow_errors():
            return self.run(context)

    @property
    def operation(self) -> Operation:
        """The operation this task is."""
        name = self.task_id.rpartition(".")[2]
        return Operation(project=self.domain, name=name, step=self.step, kind=self.operation_kind)

    @cached_property
    def settings(self) -> Settings:
        """Folders of this installation."""
        return Settings.from_environment()

    @property
    def contracts(self) -> Domain:
        """The domain's contracts as they are on disk now."""
        return read_domain(self.domain, self.settings.contracts)

    @property
    def warehouse(self) -> Engine:
        """The engine of the warehouse."""
        return connections.engine(self.connection_id)

    @property
    def store(self) -> Engine:
        """The engine of Groundwork's own database."""
        return connections.engine(self.store_connection_id)

    def actor(self, context: Context) -> str:
        """Who is acting, for the audit trail: Dag, run and task."""
        instance = context["ti"]
        return f"airflow:{instance.dag_id}/{instance.run_id}/{instance.task_id}"

    def get_openlineage_facets_on_complete(self, _task_instance: object) -> OperatorLineage[Any, Any]:
        """The lineage of this run, for Airflow's OpenLineage provider."""
        from groundwork.operators.lineage import operator_lineage

        return operator_lineage(self.lineage, self.operation)
