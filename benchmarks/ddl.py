"""A migration under load against the plain statements: the longest stall of a client, and failed statements.

One million visits are read and written by four clients all the time, while an index and a validated foreign key are
added, once as Groundwork's migration plans it and once by the statements a person would write first. Each statement of
each client is timed; a stall is the longest one while the change ran. A quiet time before it shows the floor.

Run: .venv/bin/python benchmarks/ddl.py [--rows N] [--clients N]
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from server import Throwaway, throwaway_database
from sqlalchemy import Engine

from groundwork.catalog.session import run
from groundwork.change.apply import migrate_domain
from groundwork.contracts.contract import Domain
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract

_CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: site
name: Site
version: 1.0.0
status: active
domain: site
schema:
  - name: page
    physicalType: table
    properties:
      - {name: page_id, logicalType: integer, physicalType: bigint, primaryKey: true, primaryKeyPosition: 1}
      - {name: title, logicalType: string, physicalType: text, required: true}
  - name: visit
    physicalType: table
    CUSTOM
    properties:
      - {name: visit_id, logicalType: integer, physicalType: bigint, primaryKey: true, primaryKeyPosition: 1}
      - {name: page_id, logicalType: integer, physicalType: bigint, required: true REFERENCE}
      - {name: seen_at, logicalType: timestamp, physicalType: timestamptz, required: true}
      - {name: seconds, logicalType: integer, physicalType: integer}
"""
_INDEX = "customProperties: [{property: indexes, value: [{name: visit_page_id_idx, columns: [page_id, seen_at desc]}]}]"
_NAIVE = (
    "CREATE INDEX visit_page_id_idx ON site.visit (page_id, seen_at DESC)",
    "ALTER TABLE site.visit ADD CONSTRAINT visit_page_id_fkey FOREIGN KEY (page_id) REFERENCES site.page (page_id)",
)
_UNDO = (
    "ALTER TABLE site.visit DROP CONSTRAINT visit_page_id_fkey",
    "DROP INDEX site.visit_page_id_idx",
)
_PAGES = 1000
_SETTLING_SECONDS = 3.0


def main() -> int:
    """Measure and print; 0 when no client's statement failed during the migration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    plain, wanted = _domain("", ""), _domain(_INDEX, ', relationships: [{to: "page.page_id"}]')
    with throwaway_database() as made:
        _fill(made.engine, plain, arguments.rows)
        with _load(made.url, arguments.rows, arguments.clients) as load:
            floor = _measure("nothing", load, lambda: time.sleep(5.0))
            ours = _measure("groundwork", load, lambda: _migrate(made.engine, wanted))
            _statements(made, _UNDO)
            naive = _measure("plain statements", load, lambda: _statements(made, _NAIVE))
    say(f"longest stall, ours to plain statements: {ours.stall / naive.stall:.3f}")
    say(f"longest stall, ours to nothing: {ours.stall / floor.stall:.2f}")
    return 0 if not ours.failed else 1


@dataclass
class _Window:
    """What clients saw while something ran; times in seconds."""

    stall: float = 0.0
    done: int = 0
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)


@dataclass
class _Load:
    """The running clients; statements that end count for the window that is open then."""

    window: _Window = field(default_factory=_Window)
    is_over: bool = False

    def note(self, seconds: float, error: str | None) -> None:
        self.window.done += 1
        self.window.stall = max(self.window.stall, seconds)
        if error:
            self.window.failed.append(error)


@contextmanager
def _load(url: str, rows: int, clients: int) -> Iterator[_Load]:
    load = _Load()
    threads = [threading.Thread(target=_client, args=(load, url, rows, number)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(_SETTLING_SECONDS)
        yield load
    finally:
        load.is_over = True
        for thread in threads:
            thread.join()


def _client(load: _Load, url: str, rows: int, number: int) -> None:
    draw = random.Random(number)  # noqa: S311  a mix of statements, no secret
    fresh = rows + number
    with psycopg.connect(url, autocommit=True) as connection:
        while not load.is_over:
            key, page, kind = draw.randrange(rows), draw.randrange(_PAGES), draw.random()
            fresh += 1000
            error, started = None, time.perf_counter()
            try:
                if kind < 0.5:
                    connection.execute("SELECT seconds FROM site.visit WHERE visit_id = %s", (key,)).fetchall()
                elif kind < 0.8:
                    connection.execute("UPDATE site.visit SET seconds = seconds + 1 WHERE visit_id = %s", (key,))
                else:
                    connection.execute("INSERT INTO site.visit VALUES (%s, %s, now(), 1)", (fresh, page))
            except psycopg.Error as caught:
                error = str(caught).partition("\n")[0]
            load.note(time.perf_counter() - started, error)
            time.sleep(0.001)


def _measure(name: str, load: _Load, work: Callable[[], object]) -> _Window:
    load.window = window = _Window()
    work()
    elapsed = time.perf_counter() - window.started
    time.sleep(0.5)  # statements that hung until the end count as well
    load.window = _Window()
    say(
        f"{name}: {elapsed:.1f} s, {window.done / elapsed:,.0f} statements/s, "
        f"longest stall {window.stall * 1000:.0f} ms, {len(window.failed)} failed {window.failed[:1] or ''}"
    )
    time.sleep(_SETTLING_SECONDS)
    return window


def _migrate(engine: Engine, domain: Domain) -> None:
    migrate_domain(engine, domain)
    with engine.connect() as connection:
        diff = compare_domain(connection, domain)
    if not diff.is_empty:
        raise SystemExit(f"the migration left differences:\n{diff.to_text()}")


def _statements(made: Throwaway, statements: tuple[str, ...]) -> None:
    with psycopg.connect(made.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _fill(engine: Engine, domain: Domain, rows: int) -> None:
    migrate_domain(engine, domain)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        run(connection, f"INSERT INTO site.page SELECT n, 'Page ' || n FROM generate_series(0, {_PAGES - 1}) n")  # noqa: S608
        run(
            connection,
            f"INSERT INTO site.visit SELECT n, n % {_PAGES}, timestamptz '2024-01-01' + n * interval '1 s', 1"  # noqa: S608
            f" FROM generate_series(0, {rows - 1}) n",
        )
        run(connection, "VACUUM ANALYZE")
    say(f"rows: {rows:,}")


def _domain(custom: str, reference: str) -> Domain:
    text = _CONTRACT.replace("CUSTOM", custom).replace(" REFERENCE", reference)
    return Domain(name="site", contracts=(read_contract(parse_document(text, Path("site.odcs.yaml"))),))


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
