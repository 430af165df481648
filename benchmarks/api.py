"""The data API against a bare SELECT by psycopg in the same run: requests per second and p95 at 1, 100 and 500 records.

Starts its own PostgreSQL and its own API process in a temporary folder. Each figure is the median of several rounds in
which API and SELECT take turns; one caller each, over one kept connection. The SELECT reads the same rows of the same
masked view into dictionaries and writes them as JSON, which is the least that any service must do. The ratios are
printed last.

    .venv/bin/python benchmarks/api.py [--rounds 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import create_engine

from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.foundation.api_performance import percentile
from groundwork.governance.access import apply_access
from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.store.api_key import ApiKeys
from groundwork.store.migrate import migrate

_GOVERNANCE = Path(__file__).parents[1] / "governance"
_ROLE = "market_analyst"
_RECORDS = (1, 100, 500)
_ROWS = 4000
_LOGIN, _PASSWORD = "bench", "bench"
_SELECT = """
    SELECT ticker, price_date, open_price, high_price, low_price, close_price, adjusted_close_price, volume, loaded_at
    FROM market_access.stock_prices WHERE ticker = %s ORDER BY ticker, price_date LIMIT %s
"""


def main() -> None:
    """Run the benchmark and print its table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=2.0)
    chosen = arguments.parse_args()
    with _databases() as (warehouse_url, store_url):
        domain = read_domain("market", _GOVERNANCE / "contracts")
        token = _fill(warehouse_url, store_url, domain)
        with _served(warehouse_url, store_url) as port:
            _report(_measure(warehouse_url, port, token, chosen.rounds, chosen.seconds))


def serve() -> None:
    """Serve the API; the databases come from the environment."""
    import uvicorn

    from groundwork.access.api import create_api

    domain = read_domain("market", _GOVERNANCE / "contracts")
    engines = [create_engine(os.environ[name], pool_pre_ping=True) for name in ("BENCH_WAREHOUSE", "BENCH_STORE")]
    app = create_api(domain, *engines)
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), access_log=False, log_level="warning")


@contextmanager
def _databases() -> Iterator[tuple[str, str]]:
    home = Path(tempfile.mkdtemp(prefix="groundwork-bench-"))
    home.chmod(0o755)
    server = EmbeddedPostgres(home=home / "postgres", port=free_port())
    server.start()
    try:
        with server.connect() as connection:
            login = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
            connection.execute(login.format(sql.Identifier(_LOGIN), sql.Literal(_PASSWORD)))
            for name in ("warehouse", "store"):
                made = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(_LOGIN))
                connection.execute(made)
        yield server.url(_LOGIN, _PASSWORD, "warehouse"), server.url(_LOGIN, _PASSWORD, "store")
    finally:
        server.stop("immediate")
        shutil.rmtree(server.place, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def _fill(warehouse_url: str, store_url: str, domain: Domain) -> str:
    """Make the tables, fill the prices, and return a token."""
    warehouse, store = create_engine(warehouse_url), create_engine(store_url)
    with warehouse.begin() as connection:
        for statement in statements(domain):
            connection.exec_driver_sql(statement.sql)
    apply_access(warehouse, domain, _GOVERNANCE / "policies")
    Repositories(warehouse, domain)["stock_prices"].bulk_insert(_prices())
    with warehouse.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE market.stock_prices")
    migrate(store)
    token = ApiKeys(store).issue(name="benchmark", role=_ROLE, by="benchmark").token
    warehouse.dispose()
    store.dispose()
    return token


def _prices() -> Iterator[dict[str, object]]:
    for number in range(_ROWS):
        price = 100 + number % 50
        yield {
            "ticker": "IBM",
            "price_date": date(2000, 1, 3) + timedelta(days=number),
            "open_price": price,
            "high_price": price + 2,
            "low_price": price - 2,
            "close_price": price + 1,
            "adjusted_close_price": price + 1,
            "volume": 1_000_000 + number,
        }


@contextmanager
def _served(warehouse_url: str, store_url: str) -> Iterator[int]:
    port = free_port()
    environment = {**os.environ, "BENCH_WAREHOUSE": warehouse_url, "BENCH_STORE": store_url, "BENCH_PORT": str(port)}
    process = subprocess.Popen([sys.executable, str(Path(__file__)), "--serve"], env=environment)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the API ended with {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the API did not come up")


Figures = dict[tuple[str, int], list[tuple[float, float]]]  # requests per second and p95 in ms, per round


def _measure(warehouse_url: str, port: int, token: str, rounds: int, seconds: float) -> Figures:
    found: Figures = {}
    web = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    address = warehouse_url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(address, autocommit=True, row_factory=dict_row) as database:
        database.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(_ROLE)))
        for _ in range(rounds):
            for records in _RECORDS:
                path = f"/api/v1/market/stock_prices?ticker=IBM&limit={records}"
                calls: dict[str, Callable[[], int]] = {
                    "API": lambda path=path: _get(web, path, token),  # type: ignore[misc]
                    "SELECT": lambda records=records: _select(database, records),  # type: ignore[misc]
                }
                for name, call in calls.items():
                    assert call() == records, f"{name} gave other rows"  # noqa: S101
                    found.setdefault((name, records), []).append(_timed(call, seconds))
    return found


def _get(web: http.client.HTTPConnection, path: str, token: str) -> int:
    web.request("GET", path, headers={"X-API-Key": token})
    answer = web.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {body[:300]!r}")
    return body.count(b'"price_date"')


def _select(database: psycopg.Connection[dict[str, object]], records: int) -> int:
    rows = database.execute(_SELECT, ("IBM", records)).fetchall()
    return json.dumps(rows, default=str).count('"price_date"')


def _timed(call: Callable[[], int], seconds: float) -> tuple[float, float]:
    for _ in range(20):
        call()
    took = []
    end = time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        call()
        took.append(time.perf_counter() - begin)
    return len(took) / sum(took), percentile(took, 0.95) * 1000


def _report(found: Figures) -> None:
    print(f"{'records':>8} {'API req/s':>10} {'p95 ms':>8} {'SELECT/s':>10} {'p95 ms':>8}")  # noqa: T201
    ratios = []
    for records in _RECORDS:
        (api, api_p95), (bare, bare_p95) = (
            tuple(statistics.median(column) for column in zip(*found[name, records], strict=True))
            for name in ("API", "SELECT")
        )
        print(f"{records:>8} {api:>10.0f} {api_p95:>8.2f} {bare:>10.0f} {bare_p95:>8.2f}")  # noqa: T201
        ratios.append(f"ratio to a bare SELECT at {records} records: {api / bare:.2f}")
    print("\n".join(ratios))  # noqa: T201


if __name__ == "__main__":
    serve() if "--serve" in sys.argv else main()
