"""Tables come after what they refer to and after what they are computed from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from groundwork.contracts.contract import Domain
from groundwork.flow.loads.order import load_chains, load_levels
from groundwork.model.errors import ConfigError


def test_levels_of_the_market(market_domain: Domain) -> None:
    levels = [{table.name for table in level} for level in load_levels(market_domain)]
    assert levels == [
        {"stock_prices", "dividend_aristocrats", "news_articles", "strategies"},
        {"data_collection_progress", "trading_signals"},
        {"orders", "position_ownership", "conflict_logs"},
    ]


def test_chains_can_run_side_by_side(market_domain: Domain) -> None:
    files = [[table.name for table in chain] for chain in load_chains(market_domain, "file")]
    assert sorted(files) == [["dividend_aristocrats"], ["news_articles"], ["stock_prices"], ["strategies"]]
    computed = [[table.name for table in chain] for chain in load_chains(market_domain, "computed")]
    assert ["data_collection_progress"] in computed
    (trading,) = (chain for chain in computed if len(chain) > 1)
    assert trading[0] == "trading_signals"
    assert set(trading[1:]) == {"orders", "position_ownership", "conflict_logs"}


def test_a_circle_is_refused(market_domain: Domain) -> None:
    contracts = tuple(
        replace(
            contract,
            tables=tuple(
                replace(table, source={**table.source, "inputs": ["orders"]})
                if table.name == "trading_signals" and table.source
                else table
                for table in contract.tables
            ),
        )
        for contract in market_domain.contracts
    )
    with pytest.raises(ConfigError, match="circle") as caught:
        load_levels(replace(market_domain, contracts=contracts))
    assert "trading_signals needs" in str(caught.value.found)


def test_an_input_nobody_declared_is_refused(market_domain: Domain) -> None:
    prices = market_domain.contracts[0]
    table = replace(prices.tables[1], source={"kind": "computed", "inputs": ["nothing"]})
    broken = replace(market_domain, contracts=(replace(prices, tables=(prices.tables[0], table)),))
    with pytest.raises(ConfigError, match="nothing"):
        load_levels(broken)
