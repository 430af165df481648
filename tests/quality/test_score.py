"""The formula of scores."""

from __future__ import annotations

import pytest

from groundwork.model.checks import Check, CheckResult
from groundwork.model.vocabulary import CheckKind, Dimension
from groundwork.quality.score import score_table


def _result(dimension: Dimension, *, passed: bool = True, failing: int | None = None, rows: int = 10) -> CheckResult:
    check = Check(id="c", schema="s", table="t", kind=CheckKind.EXPRESSION, dimension=dimension)
    return CheckResult(
        check=check, passed=passed, engine="sql", expected="", observed="", failing_count=failing, row_count=rows
    )


def test_a_dimension_is_the_mean_of_its_checks_and_the_whole_the_mean_of_dimensions() -> None:
    score = score_table(
        [
            _result(Dimension.COMPLETENESS, failing=0),
            _result(Dimension.COMPLETENESS, passed=False, failing=5),
            _result(Dimension.VALIDITY, passed=False, failing=1),
            _result(Dimension.TIMELINESS, passed=False),
        ]
    )
    assert score.dimensions[Dimension.COMPLETENESS] == pytest.approx(75)
    assert score.dimensions[Dimension.VALIDITY] == pytest.approx(90)
    assert score.dimensions[Dimension.TIMELINESS] == 0
    assert score.dimensions[Dimension.ACCURACY] is None
    assert score.overall_pct == pytest.approx((75 + 90 + 0) / 3)
    assert (score.check_count, score.failed_count, score.row_count) == (4, 3, 10)


def test_an_empty_table_has_no_score_for_rows() -> None:
    score = score_table([_result(Dimension.VALIDITY, failing=0, rows=0)])
    assert score.overall_pct is None


def test_an_empty_table_is_still_scored_on_the_whole() -> None:
    rows = _result(Dimension.VALIDITY, failing=0, rows=0)
    score = score_table([rows, _result(Dimension.COMPLETENESS, passed=False, rows=0)])
    assert score.overall_pct == 0


def test_no_score_is_below_zero() -> None:
    assert score_table([_result(Dimension.VALIDITY, passed=False, failing=30)]).overall_pct == 0
