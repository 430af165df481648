"""Corrections: what a refused value meant, offered only when it passes, and called sure only when it is."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundwork.access.errors import FieldError
from groundwork.access.relation import relation
from groundwork.access.suggestion import near
from groundwork.access.validation import RowRules
from tests.access.check_samples import everything, thing

_RULES = RowRules(relation(everything().table("things")))


def _error(column: str, value: object) -> FieldError:
    errors: list[FieldError] = []
    _RULES.read_row(0, thing(1, **{column: value}), errors)
    (error,) = (each for each in errors if each.column == column)
    return error


@pytest.mark.parametrize(
    ("column", "value", "corrected"),
    [
        ("day", "31/12/2024", "2024-12-31"),
        ("day", "12/31/2024", "2024-12-31"),
        ("day", "20241231", "2024-12-31"),
        ("day", "31.12.2024", "2024-12-31"),
        ("day", "2024/12/31", "2024-12-31"),
        ("day", "Dec 31, 2024", "2024-12-31"),
        ("day", "31-Dec-2024", "2024-12-31"),
        ("day", "2024-12-31T00:00:00", "2024-12-31"),
        ("low", "1,234.50", Decimal("1234.50")),
        ("low", "1.234,50", Decimal("1234.50")),
        ("low", "$ 12.50", Decimal("12.50")),
        ("low", "12.50 EUR", Decimal("12.50")),
        ("low", "(12.50)", Decimal("-12.50")),
        ("low", "1 234", 1234),
        ("thing_id", " 42 ", 42),
        ("thing_id", "42.0", 42),
        ("flag", "Yes", True),
        ("flag", 0, False),
        ("state", " OPEN", "open"),
        ("mood", "ITS WILD", None),
        ("code", "ab", "AB"),
        ("code", " A1 ", "A1"),
        ("at", "2024-12-31 10:00 UTC", "2024-12-31T10:00:00+00:00"),
        ("other_id", "{00000000-0000-4000-8000-00000000000A}", "00000000-0000-4000-8000-00000000000a"),
        ("other_id", "00000000000040008000-00000000000A", "00000000-0000-4000-8000-00000000000a"),
        ("facts", "{'a': 1}", {"a": 1}),
        ("label", 5, "5"),
    ],
)
def test_what_can_mean_one_thing_only(column: str, value: object, corrected: object) -> None:
    assert _error(column, value).corrected == corrected


@pytest.mark.parametrize(
    ("column", "value", "suggestion"),
    [
        ("day", "01/02/2024", "did you mean `2024-02-01` or `2024-01-02`?"),
        ("low", "1,234", "did you mean `1234` or `1.234`?"),
        ("at", "2024-12-31 10:00", "did you mean `2024-12-31T10:00:00+00:00`?"),
        ("at", 1735642800, "did you mean `2024-12-31T11:00:00+00:00`?"),
        ("day", "2024-12-31T10:00:00", "did you mean `2024-12-31`?"),
        ("state", "opne", "did you mean `open`?"),
        ("small", -10, "did you mean `10`? (the smallest value allowed is -5)"),
        ("ratio", 7, "the largest value allowed is 1.5"),
        ("day", "31/12/2099", "it reads as 2099-12-31, and it must be less than 2030-01-01"),
        ("code", "ABCDEFGHIJ", "it has 10 letters, 2 too many"),
        ("low", "n/a", "leave the field empty"),
        ("state", "purple", "change state to one of open, done"),
    ],
)
def test_what_is_doubtful_is_not_called_sure(column: str, value: object, suggestion: str) -> None:
    error = _error(column, value)
    assert (error.suggestion, error.corrected) == (suggestion, None)


@pytest.mark.parametrize(
    ("name", "found"), [("Thing ID", "thing_id"), ("thingid", "thing_id"), ("amuont", "amount"), ("zzz", None)]
)
def test_near_names(name: str, found: str | None) -> None:
    assert near(name, _RULES.fields) == found


_VALUES = st.one_of(
    st.text(max_size=20),
    st.text("0123456789.,-/()$ :TZ", max_size=20),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.dates(),
    st.just(datetime(2024, 1, 1, tzinfo=UTC)),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([name for name in _RULES.fields if name != "doubled"]), _VALUES)
def test_whatever_is_offered_passes(column: str, value: Any) -> None:
    errors: list[FieldError] = []
    _RULES.read_row(0, thing(1, **{column: value}), errors)
    for error in errors:
        assert error.suggestion
        assert error.corrected is None or _RULES.accepts(column, error.corrected)


_HOSTILE = ("9" * 100_000, "1,000" * 20_000, 10**5000, Decimal("1e999999"), float("nan"), "(" * 50_000)


@pytest.mark.parametrize("number", range(len(_HOSTILE)))
@pytest.mark.parametrize("column", ["low", "thing_id", "at", "day", "state", "facts", "code"])
def test_hostile_values_cost_little(column: str, number: int) -> None:
    assert _error(column, _HOSTILE[number]).suggestion
