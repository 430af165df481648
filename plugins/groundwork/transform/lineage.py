"""A run of dbt as lineage: which relations it read and wrote, column by column where that could be traced.

Names follow OpenLineage, as those of loads do, so that a table's history joins up across both.
"""

from __future__ import annotations

from sqlalchemy import URL, Engine

from groundwork.contracts.derive.dataset import server_namespace
from groundwork.model.lineage import ColumnSource, Dataset, Lineage
from groundwork.transform.report import ModelResult, TransformReport


def transform_lineage(warehouse: Engine, report: TransformReport) -> Lineage:
    """The lineage of one run of dbt in `warehouse`; inputs are what no model of the run made."""
    url = warehouse.url
    outputs = tuple(_output(url, model) for model in report.models)
    made = {model.unique_id for model in report.models}
    parents = dict.fromkeys(parent for model in report.models for parent in model.parents)
    inputs = tuple(
        _dataset(url, report.relations[parent])
        for parent in parents
        if parent not in made and parent in report.relations
    )
    column_sources = {
        (_dataset(url, report.relations[model]).name, column): tuple(
            ColumnSource(
                dataset=_dataset(url, report.relations[origin.unique_id]), column=origin.column, how=origin.how
            )
            for origin in origins
            if origin.unique_id in report.relations
        )
        for (model, column), origins in report.column_lineage.items()
    }
    return Lineage(inputs=inputs, outputs=outputs, column_sources=column_sources)


def _output(url: URL, model: ModelResult) -> Dataset:
    return Dataset(
        namespace=server_namespace(url),
        name=f"{url.database}.{model.relation}",
        row_count=model.row_count,
        description=model.description,
    )


def _dataset(url: URL, relation: str) -> Dataset:
    return Dataset(namespace=server_namespace(url), name=f"{url.database}.{relation}")
