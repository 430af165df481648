"""Tasks of a load in parts: published together, or each as a load of its own that is seen as soon as it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from groundwork.operators.integration import LOAD_COLOUR
from groundwork.operators.operator import GroundworkOperator
from groundwork.operators.pipelines.tasks import LoadTableOperator, PipelineOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class StagePartOperator(PipelineOperator):
    """Bring one part of the source to where it waits for the others; goes on where its last try stopped.

    :param part: name of the part, as planned
    """

    template_fields: Sequence[str] = (*GroundworkOperator.template_fields, "part")
    ui_color = LOAD_COLOUR

    def __init__(self, *, part: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part

    def run(self, context: Context) -> dict[str, Any]:
        """Return how many records were read and how many of them are broken."""
        state = self.parted(context).stage(self.part)
        return {"part": self.part, "read": state.read, "rejected": state.rejected, "outside": state.outside}


class PublishPartsOperator(LoadTableOperator):
    """Publish all parts in one transaction, so that readers see the whole load or nothing of it."""

    def run(self, context: Context) -> dict[str, Any]:
        """Return the books of the whole load."""
        result = self.parted(context).publish()
        self.lineage = self.keep(context, self.contracts, self.contract, result)
        return result.to_json()


class LoadPartOperator(StagePartOperator):
    """Load one part of the source and publish it; the same part twice changes nothing."""

    def run(self, context: Context) -> dict[str, Any]:
        """Return the books of this part."""
        result = self.parted(context).load(self.part)
        self.log.info("%s", result)
        return result.to_json()


class SumPartsOperator(LoadTableOperator):
    """Add up the books of the parts, for those who wait for the table and for its lineage.

    :param parts: id of the mapped task that loaded them
    """

    def __init__(self, *, parts: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.parts = parts

    def run(self, context: Context) -> dict[str, Any]:
        """Return the books of all parts as those of one load."""
        from groundwork.flow.books import LoadResult, summed

        told = context["ti"].xcom_pull(task_ids=self.parts)
        result = summed([LoadResult(**each) for each in told], str(context["run_id"]))
        self.lineage = self.keep(context, self.contracts, self.contract, result)
        return result.to_json()
