"""The load of a price file against psql's `copy` of the same file into the same table, as ratios.

About one million rows: the real daily prices repeated under made-up tickers. The table is the contract's own, with its
partitions, keys and constraints. psql checks nothing beyond the table's constraints; ours also checks the contract,
keeps books and a watermark, and can be run again. Prints the seconds of each round and, last, the ratios of rows per
second, ours to psql's (1 is equal, more is faster), the best of the rounds on both sides.

Run: .venv/bin/python benchmarks/load.py [--rows N] [--rounds N]
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from server import PASSWORD, ROLE, throwaway_database
from sqlalchemy import Engine, text

from groundwork.catalog.session import run
from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.load import LoadResult, load_table
from groundwork.flow.origin import Origin
from groundwork.flow.source import file_source
from groundwork.local.postgres import EmbeddedPostgres
from groundwork.settings import Settings

_FILE = "prices.csv"
_COLUMNS = "ticker, price_date, open_price, high_price, low_price, close_price, volume, adjusted_close_price"


def main() -> int:
    """Measure and print; 0 when every load's books were right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    settings = Settings.from_environment()
    domain = read_domain("market", settings.contracts)
    with throwaway_database() as made:
        rows = write_prices(made.folder / _FILE, arguments.rows)
        make_tables(made.engine, domain)
        measure(made.server, made.engine, domain, made.folder, rows, arguments.rounds)
    return 0


def write_prices(path: Path, wanted: int) -> int:
    """Write the real prices again and again under made-up tickers; returns the number of rows."""
    packed = resources.files("bokeh_sampledata").joinpath("_data/stocks.csv.gz").read_bytes()
    header, *lines = gzip.decompress(packed).decode("utf-8").splitlines(keepends=True)
    count = max(1, round(wanted / len(lines)))
    split = [line.partition(",") for line in lines]
    with path.open("w", encoding="utf-8") as sink:
        sink.write(header)
        for number in range(count):
            sink.writelines(f"{ticker}{number},{rest}" for ticker, _, rest in split)
    return count * len(lines)


def make_tables(engine: Engine, domain: Domain) -> None:
    """The domain's tables as the contracts declare them."""
    with engine.begin() as connection:
        for statement in statements(domain):
            run(connection, statement.sql)


def measure(server: EmbeddedPostgres, engine: Engine, domain: Domain, folder: Path, rows: int, rounds: int) -> None:
    """Each way in turn, so that what else the machine does falls on all of them."""
    table = domain.table("stock_prices")
    source = file_source(table, Origin(project=folder, path=_FILE))

    def load() -> LoadResult:
        return load_table(engine, domain, table, project=folder, run_id="benchmark", source_override=source)

    ways: dict[str, tuple[Callable[[], None], Callable[[], object]]] = {
        "copy": (lambda: empty(engine), lambda: copy(server, folder / _FILE)),
        "first load": (lambda: empty(engine), load),
        "load beside other rows": (lambda: empty(engine, keep_one=True), load),
        "same load again": (lambda: None, load),
    }
    best: dict[str, float] = {}
    for round_number in range(1, rounds + 1):
        for name, (prepare, act) in ways.items():
            prepare()
            settle(server)
            started = time.perf_counter()
            outcome = act()
            seconds = time.perf_counter() - started
            best[name] = min(seconds, best.get(name, seconds))
            if isinstance(outcome, LoadResult):
                check(outcome, rows)
            say(f"round {round_number}: {name}: {seconds:.2f} s, {rows / seconds:,.0f} rows/s  {outcome or ''}")
    say(f"rows: {rows:,}; memory of this process at its peak: {peak_megabytes():.0f} MB")
    for name in ("same load again", "load beside other rows", "first load"):
        say(f"ratio to \\copy, {name}: {best['copy'] / best[name]:.2f}")
    say(f"ratio to \\copy: {best['copy'] / best['first load']:.2f}")


def empty(engine: Engine, *, keep_one: bool = False) -> None:
    """Empty prices and ledger; with `keep_one` one row of another ticker stays."""
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE market.stock_prices CASCADE"))
        connection.execute(text("DROP SCHEMA IF EXISTS groundwork_flow CASCADE"))
        if keep_one:
            connection.execute(
                text(f"INSERT INTO market.stock_prices ({_COLUMNS}) VALUES ('OTHER', '2000-01-03', 1, 1, 1, 1, 1, 1)")  # noqa: S608
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM market.stock_prices"))


def settle(server: EmbeddedPostgres) -> None:
    """Write out what earlier work left dirty, so that it does not fall on the next measurement."""
    with server.connect() as connection:
        connection.execute("CHECKPOINT")


def copy(server: EmbeddedPostgres, path: Path) -> None:
    """The file through psql."""
    command = f"\\copy market.stock_prices ({_COLUMNS}) FROM '{path}' WITH (FORMAT csv, HEADER true)"
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    address = ("-h", "127.0.0.1", "-p", str(server.port), "-U", ROLE, "-d", ROLE)
    subprocess.run(
        [str(server.binaries / "psql"), *address, "-q", "-v", "ON_ERROR_STOP=1", "-c", command],
        check=True,
        env=environment,
    )


def check(result: LoadResult, rows: int) -> None:
    """Refuse to publish a figure of a load that did not load."""
    if not (result.is_balanced and result.read == rows and result.quarantined == 0):
        raise SystemExit(f"the books are wrong: {result}")


def peak_megabytes() -> float:
    """Largest resident size of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
