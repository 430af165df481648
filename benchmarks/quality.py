"""Quality checks against hand-written SQL, on a million rows of the shape of `market.stock_prices`.

Run with `python benchmarks/quality.py [rows]`. All checks that the contract asks for, with results judged, scored and
stored, are set against one query that somebody would write by hand for the same checks; both run on the same server in
turns, and the best of each counts: once where every row holds, once where one in a hundred fails a check. Importing
Great Expectations is timed apart, because a process does it once.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import read_domain
from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.quality.run import validate_domain
from groundwork.settings import Settings
from groundwork.store.migrate import migrate

_ROUNDS = 5
_TABLE = """
CREATE SCHEMA market;
CREATE TABLE market.stock_prices AS
SELECT 'T' || chr(65 + (i % 20)::int) AS ticker, date '1990-01-01' + (i / 20)::int AS price_date,
       (100 + i % 50)::numeric(14,4) AS open_price, (110 + i % 50)::numeric(14,4) AS high_price,
       (90 + i % 50)::numeric(14,4) AS low_price, (101 + i % 50)::numeric(14,4) AS close_price,
       (100 + i % 50)::numeric(22,13) AS adjusted_close_price, (1000 + i)::bigint AS volume, now() AS loaded_at
FROM generate_series(1, :rows) AS i;
"""
_BY_HAND = """
SELECT count(*),
       count(*) FILTER (WHERE ticker IS NULL), count(*) FILTER (WHERE price_date IS NULL),
       count(*) FILTER (WHERE open_price IS NULL), count(*) FILTER (WHERE high_price IS NULL),
       count(*) FILTER (WHERE low_price IS NULL), count(*) FILTER (WHERE close_price IS NULL),
       count(*) FILTER (WHERE adjusted_close_price IS NULL), count(*) FILTER (WHERE volume IS NULL),
       count(*) FILTER (WHERE loaded_at IS NULL),
       count(*) FILTER (WHERE length(ticker) NOT BETWEEN 1 AND 10),
       count(*) FILTER (WHERE ticker !~ '^[A-Z][A-Z0-9.]*$'),
       count(*) FILTER (WHERE price_date < '1990-01-01'), count(*) FILTER (WHERE open_price <= 0),
       count(*) FILTER (WHERE high_price <= 0), count(*) FILTER (WHERE low_price <= 0),
       count(*) FILTER (WHERE close_price <= 0), count(*) FILTER (WHERE adjusted_close_price <= 0),
       count(*) FILTER (WHERE volume < 0),
       count(*) FILTER (WHERE NOT (low_price <= open_price AND low_price <= close_price AND low_price <= high_price)),
       count(*) FILTER (WHERE NOT (high_price >= open_price AND high_price >= close_price)),
       now() - max(loaded_at),
       (SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM market.stock_prices GROUP BY ticker, price_date
                                         HAVING count(*) > 1) AS twice)
FROM market.stock_prices
"""


def main(rows: int) -> None:
    """Make the server and the table, measure, and print."""
    home = Path(tempfile.mkdtemp(prefix="groundwork-bench-"))
    home.chmod(0o755)
    server = EmbeddedPostgres(home=home / "postgres", port=free_port())
    server.start()
    try:
        engine = create_engine(server.url("postgres", server.superuser_password, "postgres"))
        _measure(engine, rows)
        engine.dispose()
    finally:
        server.stop("immediate")
        shutil.rmtree(server.place, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def _measure(engine: Engine, rows: int) -> None:
    migrate(engine)
    with engine.begin() as connection:
        for statement in _TABLE.split(";\n"):
            if statement.strip():
                connection.execute(text(statement), {"rows": rows})
    _vacuum(engine)
    domain = read_domain("market", Settings.from_environment().contracts)
    imported = _seconds(lambda: __import__("great_expectations"))
    contenders: dict[str, Callable[[], object]] = {
        "hand-written SQL": lambda: _by_hand(engine),
        "SQL engine": lambda: _ours(engine, domain, use_great_expectations=False),
        "Great Expectations and SQL": lambda: _ours(engine, domain, use_great_expectations=True),
    }
    sys.stdout.write(f"{rows:,} rows, best of {_ROUNDS}; importing Great Expectations once: {imported:.2f} s\n")
    clean = _best("every row holds", contenders)
    with engine.begin() as connection:
        connection.execute(text("UPDATE market.stock_prices SET volume = -1 WHERE volume % 100 = 0"))
    _vacuum(engine)
    broken = _best("1 % of the rows fail a check, and are counted and sampled", contenders)
    sys.stdout.write(f"ratio to hand-written SQL: {clean['Great Expectations and SQL']:.2f}\n")
    sys.stdout.write(f"ratio to hand-written SQL with failing rows: {broken['Great Expectations and SQL']:.2f}\n")
    sys.stdout.write(f"ratio to hand-written SQL without Great Expectations: {clean['SQL engine']:.2f}\n")


def _vacuum(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (FULL, ANALYZE) market.stock_prices"))


def _best(what: str, contenders: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The best time of each contender as a multiple of the first one's; they run in turns."""
    best = {name: float("inf") for name in contenders}
    for _ in range(_ROUNDS):
        for name, run in contenders.items():
            best[name] = min(best[name], _seconds(run))
    floor = next(iter(best.values()))
    lines = [f"  {name:28} {seconds:6.3f} s   {seconds / floor:5.2f} times by hand" for name, seconds in best.items()]
    sys.stdout.write("\n".join([what, *lines]) + "\n")
    return {name: seconds / floor for name, seconds in best.items()}


def _by_hand(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.execute(text(_BY_HAND)).one()


def _ours(engine: Engine, domain: Domain, *, use_great_expectations: bool) -> object:
    return validate_domain(
        engine,
        engine,
        domain,
        expectations=Path("no-suites"),  # suites written by hand ask for more than the query does
        run_id="benchmark",
        stage="scheduled",
        tables=["stock_prices"],
        use_great_expectations=use_great_expectations,
    )


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
