"""From lineage values to OpenLineage facets.

Airflow's OpenLineage provider asks an operator for its facets after it ran; an operator of ours keeps the lineage of
its run in `self.lineage`. Whatever goes wrong here is logged by the provider and never fails the task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from groundwork.model.lineage import ColumnSource, Dataset, Lineage
from groundwork.model.operation import Operation

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

_PRODUCER = "https://groundwork.example/groundwork"  # a name, not an address: the specification wants a URI


def operator_lineage(lineage: Lineage, operation: Operation) -> OperatorLineage[Any, Any]:
    """The facets of one finished step, with its operation id and section as a run facet."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import sql_job

    inputs = [
        InputDataset(
            namespace=dataset.namespace,
            name=dataset.name,
            facets=_dataset_facets(dataset),
            inputFacets=_input_facets(dataset, lineage),
        )
        for dataset in lineage.inputs
    ]
    outputs = [
        OutputDataset(
            namespace=dataset.namespace,
            name=dataset.name,
            facets={**_dataset_facets(dataset), **_column_facet(dataset, lineage)},
            outputFacets=_output_facets(dataset),
        )
        for dataset in lineage.outputs
    ]
    job_facets = {"sql": sql_job.SQLJobFacet(query=lineage.sql)} if lineage.sql else {}
    return OperatorLineage(
        inputs=inputs, outputs=outputs, run_facets={"groundwork": _run_facet(operation)}, job_facets=job_facets
    )


def _run_facet(operation: Operation) -> Any:
    from openlineage.client.facet_v2 import RunFacet

    facet = RunFacet(producer=_PRODUCER)
    return facet.with_additional_properties(operationId=operation.id, section=operation.section)


def _dataset_facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import documentation_dataset, schema_dataset

    facets: dict[str, Any] = {}
    if dataset.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in dataset.columns]
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


def _input_facets(dataset: Dataset, lineage: Lineage) -> dict[str, Any]:
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

    assertions = [
        quality.Assertion(
            assertion=result.check.id,
            success=result.passed,
            column=result.check.columns[0] if len(result.check.columns) == 1 else None,
        )
        for result in lineage.assertions
        if dataset.name.endswith(f"{result.check.schema}.{result.check.table}")
    ]
    return (
        {"dataQualityAssertions": quality.DataQualityAssertionsDatasetFacet(assertions=assertions)}
        if assertions
        else {}
    )


def _output_facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    if dataset.row_count is None:
        return {}
    return {"outputStatistics": statistics.OutputStatisticsOutputDatasetFacet(rowCount=dataset.row_count)}
