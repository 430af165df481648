"""The market's tables with a handful of rows that fit together, made from the contracts."""

from __future__ import annotations

from sqlalchemy import Connection, text
from sqlalchemy.schema import CreateSchema

from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.read import read_domain
from groundwork.settings import Settings

FAST = "00000000-0000-0000-0000-00000000000a"
SLOW = "00000000-0000-0000-0000-00000000000b"
_ROWS = (
    """INSERT INTO market.stock_prices
         (ticker, price_date, open_price, high_price, low_price, close_price, adjusted_close_price, volume, loaded_at)
       VALUES ('IBM', '2012-01-03', 10, 12, 9, 10, 10, 100, '2024-01-01'),
              ('IBM', '2012-01-05', 10, 12, 9, 11, 11, 100, '2024-01-01'),
              ('ABC', '2012-01-04', 50, 50, 50, 50, 50, 100, '2024-01-01')""",
    """INSERT INTO market.dividend_aristocrats (ticker, company_name, sector, as_of_date)
       VALUES ('ABC', 'Alphabet Soup', 'Utilities', '2024-01-01'), ('XYZ', 'Xylophones', 'Energy', '2024-01-01')""",
    f"INSERT INTO market.strategies (strategy_id, name, priority) VALUES ('{FAST}', 'fast', 9), ('{SLOW}', 'slow', 4)",
    f"""INSERT INTO market.trading_signals
         (signal_id, strategy_id, ticker, signal_date, action, strength, indicators, decision_id)
       VALUES (gen_random_uuid(), '{FAST}', 'IBM', '2012-01-03', 'buy', 0.1, '{{}}', gen_random_uuid())""",
    f"""INSERT INTO market.conflict_logs
         (conflict_id, ticker, detected_at, holder_strategy_id, challenger_strategy_id, resolution, details)
       VALUES (gen_random_uuid(), 'IBM', '2012-01-03 21:00Z', '{SLOW}', '{FAST}', 'priority_takeover', '{{}}')""",
)


def create_market(connection: Connection) -> None:
    """Create the schema with one partition for all dates, and the rows."""
    connection.execute(CreateSchema("market"))
    metadata(read_domain("market", Settings.from_environment().contracts)).create_all(connection)
    connection.execute(text("CREATE TABLE market.stock_prices_default PARTITION OF market.stock_prices DEFAULT"))
    for statement in _ROWS:
        connection.execute(text(statement))
