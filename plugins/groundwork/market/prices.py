"""The loaded prices, one ticker at a time, in order of day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import groupby

from sqlalchemy import Connection, select

from groundwork.contracts.contract import Domain
from groundwork.market.warehouse import table_in

CLOSE_OF_DAY = time(21, 0, tzinfo=UTC)  # close of New York's session in winter; daily prices know no finer time


@dataclass(frozen=True, kw_only=True)
class Day:
    """One trading day of one ticker, US dollars; `adjusted_close` is adjusted for splits and dividends."""

    price_date: date
    low: Decimal
    high: Decimal
    close: Decimal
    adjusted_close: Decimal

    @property
    def closed_at(self) -> datetime:
        """When the day's close was known (UTC)."""
        return datetime.combine(self.price_date, CLOSE_OF_DAY)


def read_prices(connection: Connection, domain: Domain, schema: str) -> Iterator[tuple[str, list[Day]]]:
    """Each ticker with its days in order; tickers in order of name."""
    table = table_in(domain, "stock_prices", schema)
    columns = [table.c[name] for name in ("low_price", "high_price", "close_price", "adjusted_close_price")]
    query = select(table.c.ticker, table.c.price_date, *columns).order_by(table.c.ticker, table.c.price_date)
    rows = connection.execution_options(yield_per=5000).execute(query)
    for ticker, days in groupby(rows, key=lambda row: row.ticker):
        yield (
            ticker,
            [
                Day(
                    price_date=row.price_date,
                    low=row.low_price,
                    high=row.high_price,
                    close=row.close_price,
                    adjusted_close=row.adjusted_close_price,
                )
                for row in days
            ],
        )
