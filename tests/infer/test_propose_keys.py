"""Keys: what identifies a row, told from what is unique by chance, with a bound on what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from groundwork.infer.propose import propose_keys
from tests.infer.profiles import table_profile


def counting(columns: dict[str, Sequence[Any]], asked: list[tuple[str, ...]] | None = None) -> Any:
    def count(names: Sequence[str]) -> int:
        if asked is not None:
            asked.append(tuple(names))
        return len(set(zip(*(columns[name] for name in names), strict=True)))

    return count


def keys(table: str, columns: dict[str, Sequence[Any]], **types: str) -> list[tuple[str, ...]]:
    return [key.columns for key in propose_keys(table_profile(table, columns, types), counting(columns))]


N = 120
IDS = list(range(1, N + 1))
CODES = [f"A{n:05}" for n in range(N)]


@pytest.mark.parametrize(
    ("table", "columns", "first"),
    [
        ("orders", {"amount_cents": [n * 7 for n in IDS], "order_id": IDS}, ("order_id",)),
        ("orders", {"customer_ref": [n * 3 for n in IDS], "id": IDS}, ("id",)),
        ("companies", {"name": [f"Company {n}" for n in IDS], "ticker": CODES, "rank": IDS[::-1]}, ("ticker",)),
        ("countries", {"code": CODES, "name": [f"Land {n}" for n in IDS]}, ("code",)),
        ("readings", {"unit_no": [n % 10 for n in IDS], "taken_at": [n // 10 for n in IDS]}, ("unit_no", "taken_at")),
        ("lines", {"order_no": [n // 4 for n in IDS], "line_no": [n % 4 for n in IDS]}, ("order_no", "line_no")),
        (
            "seats",
            {"a_no": [n % 2 for n in IDS], "b_no": [n // 2 % 6 for n in IDS], "c_no": [n // 12 for n in IDS]},
            ("a_no", "b_no", "c_no"),
        ),
    ],
)  # fmt: skip
def test_the_likeliest_key_comes_first(table: str, columns: dict[str, Sequence[Any]], first: tuple[str, ...]) -> None:
    assert keys(table, columns)[0] == first


def test_nothing_identifies_rows_that_repeat() -> None:
    assert keys("logs", {"level": ["info", "error"] * 60, "message": ["x", "y"] * 60}) == []
    assert keys("empty", {"id": [], "name": []}) == []


def test_a_column_with_a_null_or_a_float_is_no_key() -> None:
    columns = {"id": [None, *IDS[1:]], "measure": [n / 7 for n in IDS]}
    assert keys("things", columns, measure="double precision") == []


def test_natural_and_surrogate_keys_are_told_apart() -> None:
    found = {
        key.columns: key.is_natural
        for key in propose_keys(
            table_profile("stocks", {"id": IDS, "ticker": CODES, "isin_no": [n * 9_999 for n in IDS]})
        )
    }
    assert found == {("id",): False, ("ticker",): True, ("isin_no",): True}


def test_few_rows_make_keys_less_sure() -> None:
    few = propose_keys(table_profile("orders", {"order_id": [1, 2]}))[0]
    many = propose_keys(table_profile("orders", {"order_id": IDS}))[0]
    assert few.confidence < many.confidence <= 0.99
    assert "120 values in 120 rows" in many.evidence


def test_the_search_for_combinations_is_bounded() -> None:
    columns: dict[str, Sequence[Any]] = {
        f"part_{n}_no": [(row * (n + 1)) % 11 for row in range(5_000)] for n in range(30)
    }
    asked: list[tuple[str, ...]] = []
    assert propose_keys(table_profile("wide", columns), counting(columns, asked)) == ()
    assert asked == []  # three columns of eleven values cannot tell 5,000 rows apart
    columns = {f"part_{n}_no": [(row * (n + 1)) % 97 for row in range(5_000)] for n in range(30)}
    propose_keys(table_profile("wide", columns), counting(columns, asked))
    assert 0 < len(asked) <= 40
