"""The table `trading_signals`, computed from the adjusted closes of the loaded prices.

A signal's id is derived from strategy, ticker and day, so that computing again gives the same rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

from groundwork.contracts.contract import Domain
from groundwork.market.indicators import impulses
from groundwork.market.prices import read_prices
from groundwork.market.strategies import NAMESPACE, read_strategies

_STRENGTH_DECIMALS = 6  # as the column keeps
_INDICATOR_DECIMALS = 9


def signal_rows(connection: Connection, domain: Domain, schema: str) -> Iterator[Mapping[str, Any]]:
    """Rows of `trading_signals`, by ticker, strategy (highest priority first) and day.

    Raises: ConfigError when a strategy's parameters make no sense.
    """
    strategies = read_strategies(connection, domain, schema)
    for ticker, days in read_prices(connection, domain, schema):
        closes = [float(day.adjusted_close) for day in days]
        for strategy in strategies:
            for impulse in impulses(strategy, closes):
                signal_date = days[impulse.index].price_date
                yield {
                    "signal_id": signal_id(strategy.strategy_id, ticker, signal_date.isoformat()),
                    "strategy_id": strategy.strategy_id,
                    "ticker": ticker,
                    "signal_date": signal_date,
                    "action": impulse.action,
                    "strength": f"{impulse.strength:.{_STRENGTH_DECIMALS}f}",
                    "indicators": {
                        name: round(value, _INDICATOR_DECIMALS) for name, value in impulse.indicators.items()
                    },
                    "decision_id": strategy.decision_id,
                }


def signal_id(strategy_id: uuid.UUID, ticker: str, signal_date: str) -> uuid.UUID:
    """The id of the signal that a strategy gave on a ticker on a day (ISO date)."""
    return uuid.uuid5(NAMESPACE, f"signal/{strategy_id}/{ticker}/{signal_date}")
