"""Results of checks as OpenLineage facets of the dataset that was checked.

Counts and verdicts go out, samples of failing rows do not: a backend of lineage is no place for values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from groundwork.model.checks import CheckResult
from groundwork.model.lineage import Dataset
from groundwork.model.vocabulary import CheckKind, Severity


def quality_facets(dataset: Dataset, results: Sequence[CheckResult]) -> dict[str, Any]:
    """The facets `dataQualityAssertions` and `dataQualityMetrics` from the results about this dataset."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality

    own = [result for result in results if _is_about(result, dataset)]
    if not own:
        return {}
    assertions = [
        quality.Assertion(
            assertion=result.check.id,
            success=result.passed,
            column=_column(result),
            severity="error" if result.check.severity is Severity.ERROR else "warn",
            expected=result.expected,
            actual=result.observed,
            params={"kind": str(result.check.kind), "dimension": str(result.check.dimension), "engine": result.engine},
        )
        for result in own
    ]
    facet = quality.DataQualityAssertionsDatasetFacet(assertions=assertions)
    return {"dataQualityAssertions": facet, **_metrics(own)}


def _metrics(results: Sequence[CheckResult]) -> dict[str, Any]:
    """Rows of the dataset, and nulls per column where a check counted them."""
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as metrics

    rows = [result.row_count for result in results if result.row_count is not None]
    nulls = {
        column: metrics.ColumnMetrics(nullCount=result.failing_count)
        for result in results
        if result.check.kind is CheckKind.NOT_NULL and result.failing_count is not None and (column := _column(result))
    }
    if not rows and not nulls:
        return {}
    facet = metrics.DataQualityMetricsInputDatasetFacet(columnMetrics=nulls, rowCount=max(rows, default=None))
    return {"dataQualityMetrics": facet}


def _is_about(result: CheckResult, dataset: Dataset) -> bool:
    """Whether the dataset, named `database.schema.table`, is the table of the check; `b.t` is not `ab.t`."""
    return dataset.name.partition(".")[2] == f"{result.check.schema}.{result.check.table}"


def _column(result: CheckResult) -> str | None:
    return result.check.columns[0] if len(result.check.columns) == 1 else None
