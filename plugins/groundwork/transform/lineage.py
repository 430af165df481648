"""A run of dbt as lineage: which relations it read and wrote, column by column where that could be traced.

Names follow OpenLineage, as those of loads do, so that a table's history joins up across both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import URL, Engine

from groundwork.contracts.derive.dataset import server_namespace
from groundwork.model.lineage import ColumnSource, Dataset, Lineage
from groundwork.transform.assertions import check_results
from groundwork.transform.report import GOOD, ModelResult, TransformReport


@dataclass(frozen=True, kw_only=True)
class ModelLineage:
    """The lineage of one model of a run and of its tests; `tested` is null where none ran.

    `tested` has the model as its input, with the results of the tests. `started_at` and `finished_at` are UTC in
    ISO 8601, null for what did not run.
    """

    name: str
    made: Lineage
    tested: Lineage | None
    is_good: bool
    message: str | None
    started_at: str | None
    finished_at: str | None


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
    column_sources = {key: value for model in report.models for key, value in _columns(url, report, model).items()}
    return Lineage(inputs=inputs, outputs=outputs, column_sources=column_sources)


def model_lineages(warehouse: Engine, report: TransformReport) -> tuple[ModelLineage, ...]:
    """The lineage of each model of a run by itself, in the order in which they ran; what was skipped has none."""
    return tuple(_model(warehouse.url, report, model) for model in report.models if model.status != "skipped")


def _model(url: URL, report: TransformReport, model: ModelResult) -> ModelLineage:
    inputs = tuple(_dataset(url, report.relations[name]) for name in model.parents if name in report.relations)
    output = _output(url, model)
    results = check_results(report, model)
    return ModelLineage(
        name=model.name,
        made=Lineage(
            inputs=inputs, outputs=(output,), column_sources=_columns(url, report, model), sql=model.sql or None
        ),
        tested=Lineage(inputs=(replace(output, row_count=None),), assertions=results) if results else None,
        is_good=model.status in GOOD,
        message=None if model.status in GOOD else model.message,
        started_at=model.started_at,
        finished_at=model.finished_at,
    )


def _columns(url: URL, report: TransformReport, model: ModelResult) -> dict[tuple[str, str], tuple[ColumnSource, ...]]:
    name = _dataset(url, model.relation).name
    return {
        (name, column): tuple(
            ColumnSource(
                dataset=_dataset(url, report.relations[origin.unique_id]), column=origin.column, how=origin.how
            )
            for origin in origins
            if origin.unique_id in report.relations
        )
        for (made, column), origins in report.column_lineage.items()
        if made == model.unique_id
    }


def _output(url: URL, model: ModelResult) -> Dataset:
    return Dataset(
        namespace=server_namespace(url),
        name=f"{url.database}.{model.relation}",
        columns=model.columns,
        row_count=model.row_count,
        description=model.description,
    )


def _dataset(url: URL, relation: str) -> Dataset:
    return Dataset(namespace=server_namespace(url), name=f"{url.database}.{relation}")
