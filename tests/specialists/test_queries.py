"""What is read from an access pattern, and what is refused."""

from __future__ import annotations

import pytest

from groundwork.model.errors import ConfigError
from groundwork.specialists.queries import Demand, demand, moved, tables_of

_COLUMNS = frozenset({"ticker", "day", "price", "open"})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 FROM m.t WHERE ticker = 'x'", Demand(equal=("ticker",))),
        ("SELECT 1 FROM m.t WHERE 'x' = ticker AND day >= '2020-01-01' AND day < '2021-01-01'",
         Demand(equal=("ticker",), between=("day",))),
        ("SELECT 1 FROM m.t WHERE day BETWEEN '2020-01-01' AND '2021-01-01'", Demand(between=("day",))),
        ("SELECT 1 FROM m.t WHERE ticker IN ('a', 'b') ORDER BY day DESC, price",
         Demand(equal=("ticker",), ordered=(("day", True), ("price", False)))),
        ("SELECT 1 FROM m.t AS p WHERE p.ticker = 'x' AND q.day = '2020-01-01'", Demand(equal=("ticker",))),
        ("SELECT 1 FROM m.t WHERE ticker = 'x' OR day = '2020-01-01'", Demand()),
        ("SELECT 1 FROM m.t WHERE lower(ticker) = 'x' AND unknown = 1 AND price = open", Demand()),
        ("SELECT 1 FROM m.t WHERE ticker = ANY(ARRAY['a'])", Demand(equal=("ticker",))),
    ],
)  # fmt: skip
def test_demand(query: str, expected: Demand) -> None:
    assert demand(query, "m", "t", _COLUMNS) == expected


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM m.t",
        "SELECT 1; SELECT 2",
        "SELECT * INTO x FROM m.t",
        "SELECT * FROM m.t FOR UPDATE",
        "WITH gone AS (DELETE FROM m.t RETURNING 1) SELECT * FROM gone",
        "SELEC 1",
        "",
    ],
)
def test_anything_but_one_reading_select_is_refused(query: str) -> None:
    with pytest.raises(ConfigError):
        demand(query, "m", "t", _COLUMNS)


def test_a_query_moves_to_another_schema_wherever_it_names_the_table() -> None:
    query = "SELECT * FROM m.\"t\" JOIN m.u USING (id) WHERE EXISTS (SELECT 1 FROM m.t x) AND note = 'm.t'"
    told = moved(query, frozenset({("m", "t")}), "odd Schema")
    assert told.count('"odd Schema".t') == 2
    assert "m.u" in told
    assert "'m.t'" in told
    assert tables_of(query) == {("m", "t"), ("m", "u")}
