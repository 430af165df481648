"""Partitions have their names and bounds from the contract."""

from __future__ import annotations

import pytest

from groundwork.contracts.derive.partitions import Partition, partitions
from groundwork.model.errors import ConfigError
from tests.contracts.samples import market, shop


def test_years() -> None:
    found = partitions(market().table("stock_prices"))
    assert len(found) == 16
    assert found[12] == Partition(name="stock_prices_y2012", start="2012-01-01", end="2013-01-01")
    assert found[-1] == Partition(name="stock_prices_default")


def test_months_go_over_the_turn_of_the_year() -> None:
    domain = shop(a='start: "2024-01-01", end: "2024-04-01", default: true => start: "2023-12-01", end: "2024-02-01"')
    assert [(part.name, part.start, part.end) for part in partitions(domain.table("sales"))] == [
        ("sales_y2023m12", "2023-12-01", "2024-01-01"),
        ("sales_y2024m01", "2024-01-01", "2024-02-01"),
    ]


def test_a_table_without_partitioning_has_none() -> None:
    assert partitions(shop().table("customers")) == ()


@pytest.mark.parametrize(
    "change",
    [
        "interval: month => interval: week",
        'end: "2024-04-01" => end: "2023-01-01"',
        'start: "2024-01-01" => start: "2024-01-02"',
        'start: "2024-01-01" => start: "soon"',
    ],
)
def test_bounds_that_make_no_sense_are_refused(change: str) -> None:
    with pytest.raises(ConfigError, match="partitioning"):
        partitions(shop(a=change).table("sales"))
