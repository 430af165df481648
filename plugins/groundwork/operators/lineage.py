"""From lineage values to OpenLineage facets.

Airflow's OpenLineage provider asks an operator for its facets after it ran; an operator of ours keeps the lineage of
its run in `self.lineage`. Whatever goes wrong here is logged by the provider and never fails the task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundwork.model.lineage import ColumnSource, Dataset, Lineage
from groundwork.model.operation import Operation
from groundwork.operators.lineage_quality import quality_facets

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset

PRODUCER = "https://groundwork.example/groundwork"  # a name, not an address: the specification wants a URI
_DBT_ID_PARTS = 3  # model.groundwork.dim_date


def operator_lineage(lineage: Lineage, operation: Operation) -> OperatorLineage[Any, Any]:
    """The facets of one finished step, with its operation id and section as a run facet."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.facet_v2 import sql_job

    job_facets = {"sql": sql_job.SQLJobFacet(query=lineage.sql)} if lineage.sql else {}
    return OperatorLineage(
        inputs=input_datasets(lineage),
        outputs=output_datasets(lineage),
        run_facets={"groundwork": run_facet(operation)},
        job_facets=job_facets,
    )


def input_datasets(lineage: Lineage) -> list[InputDataset]:
    """The inputs with their columns, rows and the results of checks on them."""
    from openlineage.client.event_v2 import InputDataset

    return [
        InputDataset(
            namespace=dataset.namespace,
            name=dataset.name,
            facets=_dataset_facets(dataset),
            inputFacets={**_read_facet(dataset), **quality_facets(dataset, lineage.assertions)},
        )
        for dataset in lineage.inputs
    ]


def output_datasets(lineage: Lineage) -> list[OutputDataset]:
    """The outputs with their columns, where these come from, and the rows written."""
    from openlineage.client.event_v2 import OutputDataset

    return [
        OutputDataset(
            namespace=dataset.namespace,
            name=dataset.name,
            facets={**_dataset_facets(dataset), **_column_facet(dataset, lineage)},
            outputFacets=_output_facets(dataset),
        )
        for dataset in lineage.outputs
    ]


def run_facet(operation: Operation) -> Any:
    """Our operation id and section, under the name `groundwork`."""
    from openlineage.client.facet_v2 import RunFacet

    facet = RunFacet(producer=PRODUCER)
    return facet.with_additional_properties(operationId=operation.id, section=operation.section)


def operation_facet(task_instance: Any, _state: Any) -> dict[str, Any]:
    """The operation of a task that is not ours and runs one dbt node, for the setting `custom_run_facets`."""
    task: Any = getattr(task_instance, "task", None)
    node = (getattr(task, "extra_context", None) or {}).get("dbt_node_config") or {}
    name = str(node.get("unique_id") or "").split(".")
    if len(name) < _DBT_ID_PARTS:
        return {}
    domain = str((getattr(task, "params", None) or {}).get("domain") or name[1])
    return {"groundwork": run_facet(Operation(project=domain, name=name[2], tool="dbt", step=0))}


def _dataset_facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import documentation_dataset, schema_dataset

    facets: dict[str, Any] = {}
    if dataset.columns:
        fields = [
            schema_dataset.SchemaDatasetFacetFields(name=name, type=kind or None) for name, kind in dataset.columns
        ]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
    if dataset.description:
        facets["documentation"] = documentation_dataset.DocumentationDatasetFacet(description=dataset.description)
    return facets


def _column_facet(dataset: Dataset, lineage: Lineage) -> dict[str, Any]:
    from openlineage.client.facet_v2 import column_lineage_dataset as columns

    fields = {
        column: columns.Fields(inputFields=[_input_field(source) for source in sources])
        for (name, column), sources in lineage.column_sources.items()
        if name == dataset.name
    }
    return {"columnLineage": columns.ColumnLineageDatasetFacet(fields=fields)} if fields else {}


def _input_field(source: ColumnSource) -> Any:
    from openlineage.client.facet_v2 import column_lineage_dataset as columns

    subtype = "IDENTITY" if source.how == "identity" else "TRANSFORMATION"
    transformation = columns.Transformation(type="DIRECT", subtype=subtype, description=source.how)
    return columns.InputField(
        namespace=source.dataset.namespace,
        name=source.dataset.name,
        field=source.column,
        transformations=[transformation],
    )


def _read_facet(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    if dataset.row_count is None:
        return {}
    return {"inputStatistics": statistics.InputStatisticsInputDatasetFacet(rowCount=dataset.row_count)}


def _output_facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    if dataset.row_count is None:
        return {}
    return {"outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(rowCount=dataset.row_count)}
