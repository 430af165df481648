"""Loads of TPC-H's lineitem against psql's `copy` of the same file into the same table, and against dlt and pandas.

psql checks nothing beyond the table's constraints; ours also casts and checks every row against the contract, keeps
quarantine, books and a watermark, and can be run again. Every load of ours runs in a process of its own, which tells
its memory; importing is not counted on any side. Printed are the seconds of each round and, last, ratios of rows per
second to psql's on the clean file (1 is equal, more is faster), the best of the rounds on both sides. dlt and pandas
load a sample, because they need minutes for what psql does in seconds; they are skipped where they are not installed.

Run: .venv/bin/python benchmarks/load.py [--scale F] [--rounds N] [--only WORD]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from server import PASSWORD, ROLE, Throwaway, throwaway_database
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain

_CONTRACTS = Path(__file__).with_name("contracts")
_CHILD = Path(__file__).with_name("load_child.py")
_SAMPLE_ROWS = 100_000  # for peers that load by the thousand
_BROKEN_SHARE = 0.01
_BROKEN = {  # column of the record → a value that it cannot have
    0: "no number",
    4: "99999",
    10: "1998-02-30",
    14: "by hand",
}


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one run, all of the same number of rows but the sample."""

    clean: Path
    broken: Path
    half_changed: Path
    sample: Path
    rows: int
    broken_rows: int


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One load: seconds of the work itself, and the largest resident size of its client in MB (null for psql)."""

    seconds: float
    megabytes: float | None = None


def main() -> int:
    """Measure and print; 0 when every load's books were right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.25, help="scale factor of TPC-H; 1 is 6 million rows")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="only ways whose name has this word, beside psql's copy")
    arguments = parser.parse_args()
    with throwaway_database() as made:
        files = make_files(made.folder, arguments.scale)
        domain = read_domain("tpch", _CONTRACTS)
        with made.engine.begin() as connection:
            for statement in statements(domain):
                run(connection, statement.sql)
        measure(Ways(made, files), arguments.rounds, arguments.only)
    return 0


def make_files(folder: Path, scale: float) -> Files:
    """The table as TPC-H's generator makes it, and the same with faults and with changes."""
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run(
        [str(generator), "csv", "-s", str(scale), "--tables=lineitem", "-q", "--output-dir", str(folder)],
        check=True,
    )
    clean = folder / "lineitem.csv"
    chosen = random.Random(1)  # noqa: S311  the same faults in every run
    rows = broken_rows = 0
    broken, half, sample = folder / "broken.csv", folder / "half.csv", folder / "sample.csv"
    with (
        clean.open(newline="") as source,
        broken.open("w", newline="") as faulty,
        half.open("w", newline="") as changed,
    ):
        records = csv.reader(source)
        faulty_records, changed_records = (csv.writer(sink, lineterminator="\n") for sink in (faulty, changed))
        header = next(records)
        faulty_records.writerow(header)
        changed_records.writerow(header)
        for record in records:
            rows += 1
            place = chosen.choice(list(_BROKEN)) if chosen.random() < _BROKEN_SHARE else None
            broken_rows += place is not None
            values = list(record)
            if place is not None:
                values[place] = _BROKEN[place]
            faulty_records.writerow(values)
            # Half are updates (another comment under the same key), half new rows (a key that is not there yet).
            key, comment = (record[0], "changed") if rows % 2 else (str(int(record[0]) + 100_000_000), record[-1])
            changed_records.writerow([key, *record[1:-1], comment])
    with clean.open() as source, sample.open("w") as part:
        part.writelines(islice(source, _SAMPLE_ROWS + 1))
    return Files(clean=clean, broken=broken, half_changed=half, sample=sample, rows=rows, broken_rows=broken_rows)


class Ways:
    """The ways to load, each with what comes before it."""

    def __init__(self, made: Throwaway, files: Files) -> None:
        self.made = made
        self.files = files

    def all(self) -> dict[str, tuple[Callable[[], None], Callable[[], Measured], int]]:
        """Name → (what comes before, the load, its rows)."""
        rows, sample = self.files.rows, _SAMPLE_ROWS
        found: dict[str, tuple[Callable[[], None], Callable[[], Measured], int]] = {
            "copy": (self.empty, self.copy, rows),
            "copy in two parts": (self.empty, self.copy_halves, rows),
            "clean": (self.empty, lambda: self.ours(self.files.clean), rows),
            "clean, resumable": (self.empty, lambda: self.ours(self.files.clean, "resumable"), rows),
            "1 % broken": (self.empty, lambda: self.ours(self.files.broken, quarantined=self.files.broken_rows), rows),
            "merge, half updates": (self.fill, lambda: self.ours(self.files.half_changed, "merge"), rows),
            "same again": (lambda: None, lambda: self.ours(self.files.half_changed, "merge"), rows),
            "two parts, each": (self.empty, lambda: self.parts("each"), rows),
            "two parts, together": (self.empty, lambda: self.parts("together"), rows),
        }
        if find_spec("dlt"):
            found["dlt"] = (self.empty, lambda: self.child("dlt", self.files.sample), sample)
        if find_spec("pandas"):
            found["pandas"] = (self.empty, lambda: self.child("pandas", self.files.sample), sample)
        return found

    def empty(self) -> None:
        """An empty table and no ledger."""
        with self.made.engine.begin() as connection:
            connection.execute(text("TRUNCATE tpch.lineitem"))
            connection.execute(text("DROP SCHEMA IF EXISTS groundwork_flow CASCADE"))
        self.settle()

    def fill(self) -> None:
        """The clean rows are there already."""
        self.empty()
        self.copy()
        with self.made.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE tpch.lineitem"))
        self.settle()

    def settle(self) -> None:
        """Write out what earlier work left dirty, so that it does not fall on the next measurement."""
        with self.made.server.connect() as connection:
            connection.execute("CHECKPOINT")

    def copy(self) -> Measured:
        """The file through psql."""
        started = time.perf_counter()
        self.ended([self.psql(f"'{self.files.clean}' WITH (FORMAT csv, HEADER true)")])
        return Measured(seconds=time.perf_counter() - started)

    def copy_halves(self) -> Measured:
        """The halves of the file through two psql side by side: what the server can take on two connections."""
        middle = self.files.rows // 2 + 1
        halves = (f"head -n {middle} {self.files.clean}", f"tail -n +{middle + 1} {self.files.clean}")
        started = time.perf_counter()
        self.ended(
            [
                self.psql(f"PROGRAM '{half}' WITH (FORMAT csv, HEADER {'true' if first else 'false'})")
                for half, first in zip(halves, (True, False), strict=True)
            ]
        )
        return Measured(seconds=time.perf_counter() - started)

    def psql(self, origin: str) -> subprocess.Popen[bytes]:
        """Begin a copy from `origin` into the table."""
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        server = self.made.server
        address = ("-h", "127.0.0.1", "-p", str(server.port), "-U", ROLE, "-d", ROLE)
        command = f"\\copy tpch.lineitem FROM {origin}"
        psql = [str(server.binaries / "psql"), *address, "-q", "-v", "ON_ERROR_STOP=1", "-c", command]
        return subprocess.Popen(psql, env=environment)

    def ended(self, processes: list[subprocess.Popen[bytes]]) -> None:
        """Return when all have ended well."""
        if sum(abs(process.wait()) for process in processes):
            raise SystemExit("psql has failed")

    def ours(self, file: Path, way: str = "load", *, quarantined: int = 0) -> Measured:
        """Our full path in a process of its own; refuses a figure of a load whose books are wrong."""
        told = self.run_child({"way": way, "file": file.name})
        if not (told["read"] == self.files.rows and told["quarantined"] == quarantined):
            raise SystemExit(f"the books are wrong: {told}")
        return Measured(seconds=told["seconds"], megabytes=told["megabytes"])

    def parts(self, publish: str) -> Measured:
        """Two processes side by side, as two mapped tasks are; from the first start to the last end."""
        file = self.files.clean.name
        planned = self.run_child({"way": "cut" if publish == "each" else "plan", "file": file})
        children = [
            self.start_child({"way": publish, "file": file, "part": part, "waits": True}) for part in planned["parts"]
        ]
        for child in children:
            child.stdout.readline()  # it has imported what it needs
        started = time.perf_counter()
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        told = [json.loads(child.communicate()[0].splitlines()[-1]) for child in children]
        seconds = time.perf_counter() - started
        if publish == "together":
            last = self.run_child({"way": "publish", "file": file})
            seconds += last["seconds"]
            read = last["read"]
        else:
            read = sum(each["read"] for each in told)
        if read != self.files.rows:
            raise SystemExit(f"the books are wrong: {told}")
        return Measured(seconds=seconds, megabytes=max(each["megabytes"] for each in told))

    def child(self, way: str, file: Path) -> Measured:
        """A peer in a process of its own."""
        told = self.run_child({"way": way, "file": file.name})
        return Measured(seconds=told["seconds"], megabytes=told["megabytes"])

    def run_child(self, order: dict[str, object]) -> dict[str, object]:
        """The last line of a child's report."""
        output, _ = self.start_child(order).communicate()
        return json.loads(output.splitlines()[-1])

    def start_child(self, order: dict[str, object]) -> subprocess.Popen[str]:
        """Begin one child."""
        told = json.dumps({**order, "url": self.made.url, "folder": str(self.made.folder)})
        command = [sys.executable, str(_CHILD), told]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def measure(ways: Ways, rounds: int, only: str) -> None:
    """Each way in turn, so that what else the machine does falls on all of them."""
    chosen = {name: way for name, way in ways.all().items() if name == "copy" or only in name}
    best: dict[str, float] = {}
    memory: dict[str, float] = {}
    for number in range(1, rounds + 1):
        for name, (prepare, act, rows) in chosen.items():
            prepare()
            found = act()
            rate = rows / found.seconds
            best[name] = max(rate, best.get(name, 0.0))
            memory[name] = max(found.megabytes or 0.0, memory.get(name, 0.0))
            size = f", {found.megabytes:.0f} MB" if found.megabytes else ""
            say(f"round {number}: {name}: {found.seconds:.2f} s, {rate:,.0f} rows/s{size}")
    say(f"rows: {ways.files.rows:,}; memory of the client at its peak, by way:")
    for name, megabytes in memory.items():
        if megabytes:
            say(f"  {name}: {megabytes:.0f} MB")
    if "clean" in best:
        say(f"ratio to \\copy: {best['clean'] / best['copy']:.2f}")
    for name, rate in best.items():
        if name not in {"copy", "clean"}:
            say(f"ratio to \\copy, {name}: {rate / best['copy']:.3g}")


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
