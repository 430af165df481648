"""The table `data_collection_progress`, counted from the loaded prices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, case, func, select

from groundwork.contracts.contract import Domain
from groundwork.market.warehouse import table_in


def progress_rows(connection: Connection, domain: Domain, schema: str) -> Iterator[Mapping[str, Any]]:
    """One row per ticker, in order of ticker.

    A ticker is complete when its prices reach the last day that any ticker has, else it is still being collected.
    """
    prices = table_in(domain, "stock_prices", schema)
    last_day = select(func.max(prices.c.price_date)).scalar_subquery()
    last = func.max(prices.c.price_date)
    query = (
        select(
            prices.c.ticker,
            func.min(prices.c.price_date).label("first_date"),
            last.label("last_date"),
            func.count().label("row_count"),
            case((last == last_day, "complete"), else_="collecting").label("status"),
        )
        .group_by(prices.c.ticker)
        .order_by(prices.c.ticker)
    )
    for row in connection.execute(query).mappings():
        yield {"table_name": "stock_prices", **row}
