"""The check of a price file, and its save, against psql's `copy` of the same file into the same table.

Some million rows: the real daily prices repeated under made-up tickers, with the contract's own checks, keys and
partitions. Prints rows per second and this process's memory at its peak for: the check without a database, the same row
by row on a part of the file, the check against a table that has other rows, the save, and psql, which checks nothing
beyond the table's constraints.

Run: .venv/bin/python benchmarks/validate.py [--rows N]
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from collections.abc import Callable
from pathlib import Path

from load import copy, empty, make_tables, peak_megabytes, say, settle, write_prices
from server import Throwaway, throwaway_database

from groundwork.access.check import CheckOptions, check_rows
from groundwork.access.check_report import CheckReport, SaveMode, SaveReport
from groundwork.access.save import save_rows
from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.read import read_domain
from groundwork.settings import Settings

_PART = 100_000  # rows that the row-wise check is measured with
_HEADER = "ticker,price_date,open_price,high_price,low_price,close_price,volume,adjusted_close_price\n"


def main() -> int:
    """Measure and print; 0 when every row was found good and saved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000)
    arguments = parser.parse_args()
    domain = read_domain("market", Settings.from_environment().contracts)
    table = domain.table("stock_prices")
    with throwaway_database() as made:
        path = made.folder / "prices.csv"
        rows = write_prices(path, arguments.rows)
        rename_columns(path)
        small = part(path, _PART)
        say(f"rows: {rows:,}, {path.stat().st_size / 1e6:,.0f} MB; memory before: {peak_megabytes():.0f} MB")
        timed("check, no database", lambda: check_rows(None, domain, table, path))
        timed(
            "check row by row (part)",
            lambda: check_rows(None, domain, table, small, CheckOptions(vectorised=False)),
        )
        make_tables(made.engine, domain)
        save(made, domain, table, path, small)
    return 0


def save(made: Throwaway, domain: Domain, table: TableContract, path: Path, small: Path) -> None:
    """What needs the database."""
    empty(made.engine, keep_one=True)
    with made.engine.connect() as connection:
        timed("check against a table", lambda: check_rows(connection, domain, table, path))
    for name, mode, file in (("save", SaveMode.INSERT, path), ("save as upsert (part)", SaveMode.UPSERT, small)):
        empty(made.engine)
        settle(made.server)
        timed(
            name, lambda mode=mode, file=file: save_rows(made.engine, domain, table, file, actor="benchmark", mode=mode)
        )
    empty(made.engine)
    settle(made.server)
    started = time.perf_counter()
    copy(made.server, path)
    say(f"psql \\copy: {time.perf_counter() - started:.2f} s")


def timed(name: str, act: Callable[[], CheckReport | SaveReport]) -> None:
    """Run it once and print; ends the benchmark when anything was wrong."""
    started = time.perf_counter()
    outcome = act()
    seconds = time.perf_counter() - started
    report = outcome.check if isinstance(outcome, SaveReport) else outcome
    if not report.is_good or (isinstance(outcome, SaveReport) and not outcome.is_saved):
        raise SystemExit(outcome.to_text())
    say(f"{name}: {seconds:.2f} s, {report.rows / seconds:,.0f} rows/s; peak {peak_megabytes():.0f} MB")


def rename_columns(path: Path) -> None:
    """Give the file the contract's names of columns."""
    other = path.with_suffix(".renamed")
    with path.open("rb") as source, other.open("wb") as sink:
        source.readline()
        sink.write(_HEADER.encode())
        while block := source.read(1 << 20):
            sink.write(block)
    other.rename(path)


def part(path: Path, rows: int) -> Path:
    """The first rows of the file, packed."""
    small = path.with_name("part.csv.gz")
    with path.open("rb") as source, gzip.open(small, "wb") as sink:
        for _, line in zip(range(rows + 1), source, strict=False):
            sink.write(line)
    return small


if __name__ == "__main__":
    sys.exit(main())
