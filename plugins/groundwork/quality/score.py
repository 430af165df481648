"""The quality of a table as numbers: one per dimension that was measured, and one over all.

A check on rows scores the share of rows that hold, `1 - failing rows / rows`; a check on the whole table scores 1 or 0.
A dimension is the mean of its checks, the overall score the mean of the dimensions that were measured; both in percent.
An empty table has no rows to hold or fail, so that its checks on rows say nothing, and a dimension without evidence
is null, never 100. A check that could not be run scores 0. A warning counts as much as an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from groundwork.model.checks import CheckResult
from groundwork.model.score import TableScore
from groundwork.model.vocabulary import Dimension


def score_table(results: Sequence[CheckResult]) -> TableScore:
    """The score of one table from all results on it; there is at least one."""
    dimensions = {dimension: _mean(_shares(results, dimension)) for dimension in Dimension}
    measured = [value for value in dimensions.values() if value is not None]
    first = results[0]
    return TableScore(
        schema=first.check.schema,
        table=first.check.table,
        row_count=next((result.row_count for result in results if result.row_count is not None), None),
        dimensions=dimensions,
        overall_pct=_mean(measured),
        check_count=len(results),
        failed_count=sum(not result.passed for result in results),
    )


def _shares(results: Sequence[CheckResult], dimension: Dimension) -> list[float]:
    shares = [_share(result) for result in results if result.check.dimension is dimension]
    return [100 * share for share in shares if share is not None]


def _share(result: CheckResult) -> float | None:
    if result.failing_count is None:
        return 1.0 if result.passed else 0.0
    if not result.row_count:
        return None
    return max(0.0, 1 - result.failing_count / result.row_count)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
