"""How far a captured table is behind its source: changes at a fixed rate, and as fast as they can be taken.

A writer commits transactions of five changes (an insert, three updates, a delete). A consumer process applies them to a
table of the same server, while a poller asks that table every few milliseconds how far it is: the lag of a change is
from its commit in the source to when it can be read in the target. In the same run, as floors: the round trip of
`LISTEN/NOTIFY` and that of a plain statement. The highest rate is that at which a backlog is worked off. Looking into
the log again and again, the other way to decode it, is told beside it: the time of one look.

Run: .venv/bin/python benchmarks/capture.py [--rate N] [--seconds N] [--backlog N] [--way log|outbox]
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import yaml
from server import ROLE, Throwaway, throwaway_database
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.flow.capture import ledger
from groundwork.flow.capture.consume import Consumed, consume
from groundwork.flow.capture.declaration import declared_stream
from groundwork.flow.capture.event import Way

_CHANGES = 5  # of one transaction
_POLL_SECONDS = 0.002
_SOURCE = """
CREATE SCHEMA origin;
CREATE TABLE origin.item (id bigint PRIMARY KEY, number bigint, name text, price numeric(12, 2),
  changed_at timestamptz);
INSERT INTO origin.item SELECT n, 0, 'item ' || n, n, now() FROM generate_series(1, 10000) AS n;
CREATE FUNCTION origin.step(n bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO origin.item VALUES (1000000 + n, n, 'new ' || n, n, clock_timestamp());
  UPDATE origin.item SET number = n, price = price + 1 WHERE id = 1 + n % 10000;
  UPDATE origin.item SET number = n, name = 'changed ' || n WHERE id = 1 + (n * 7) % 10000;
  UPDATE origin.item SET number = n, changed_at = clock_timestamp() WHERE id = 1 + (n * 13) % 10000;
  DELETE FROM origin.item WHERE id = 1000000 + n - 100;
END $$;
CREATE PROCEDURE origin.steps(first bigint, last bigint) LANGUAGE plpgsql AS $$
BEGIN
  FOR n IN first..last LOOP PERFORM origin.step(n); COMMIT; END LOOP;
END $$;
"""
_COLUMNS = {"id": "bigint", "number": "bigint", "name": "text", "price": "numeric(12,2)", "changed_at": "timestamptz"}
_LOGICAL = {"bigint": "integer", "text": "string", "numeric(12,2)": "number", "timestamptz": "timestamp"}


def main() -> int:
    """Measure and print; 0 when source and target are equal at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000, help="changes per second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--backlog", type=int, default=50_000, help="changes to work off")
    parser.add_argument("--way", choices=[*Way], help="one way only")
    arguments = parser.parse_args()
    is_equal = True
    for way in [arguments.way] if arguments.way else Way:
        with throwaway_database() as made:
            is_equal &= measure(made, Way(way), arguments)
    return 0 if is_equal else 1


def measure(made: Throwaway, way: Way, arguments: argparse.Namespace) -> bool:
    """All figures of one way."""
    prepare(made, way)
    first = drain(made)
    told(f"{way}: {first.reason}; snapshot of 10,000 rows in {first.seconds:.2f} s")
    floor = notify_round_trip(made)
    statement = statement_round_trip(made)
    lags, rate = lag(made, arguments.rate, arguments.seconds)
    spread = sorted(lags)
    p50, p95 = statistics.median(spread), spread[int(len(spread) * 0.95)]
    told(f"  {rate:,.0f} changes/s, {len(lags) * _CHANGES:,} in all: lag p50 "
          f"{p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms, max {spread[-1] * 1000:.1f} ms")  # fmt: skip
    told(f"  round trip of NOTIFY {floor * 1000:.2f} ms, of a statement {statement * 1000:.2f} ms")
    highest_rate(made, arguments.backlog, way)
    with psycopg.connect(made.url) as connection:
        query = "SELECT count(*) FROM (TABLE origin.item EXCEPT TABLE kept.item UNION ALL (TABLE kept.item EXCEPT "
        differing = (connection.execute(query + "TABLE origin.item)) AS d").fetchone() or (1,))[0]
    told(f"  rows that differ at the end: {differing}")
    told(f"ratio to NOTIFY, lag p50 by {way}: {p50 / floor:.1f}")
    told(f"ratio to a statement, lag p50 by {way}: {p50 / statement:.1f}")
    return bool(differing == 0)


def prepare(made: Throwaway, way: Way) -> None:
    """Source, contract and target."""
    folder = made.folder / "contracts" / "kept"
    folder.mkdir(parents=True)
    source = {"kind": "stream", "connection": "origin", "table": "origin.item", "way": str(way)}
    properties = [
        {"name": name, "physicalType": kind, "logicalType": _LOGICAL[kind], "required": name == "id"}
        | ({"primaryKey": True, "primaryKeyPosition": 1} if name == "id" else {})
        for name, kind in _COLUMNS.items()
    ]
    index = {"name": "item_number_idx", "columns": ["number"], "reason": "The poller asks for the highest number."}
    table = {
        "name": "item",
        "physicalType": "table",
        "properties": properties,
        "customProperties": [{"property": "source", "value": source}, {"property": "indexes", "value": [index]}],
    }
    contract = {
        "apiVersion": "v3.2.0", "kind": "DataContract", "id": "kept", "name": "Kept", "version": "1.0.0",
        "status": "active", "domain": "kept", "customProperties": [{"property": "databaseSchema", "value": "kept"}],
        "schema": [table],
    }  # fmt: skip
    (folder / "kept.odcs.yaml").write_text(yaml.safe_dump(contract), encoding="utf-8")
    with made.server.connect() as connection:
        connection.execute(f"ALTER ROLE {ROLE} REPLICATION")
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute(_SOURCE)
    with made.engine.begin() as opened:
        for each in statements(read_domain("kept", made.folder / "contracts")):
            run(opened, each.sql)


def drain(made: Throwaway, *, seconds: float = 300, until_caught_up: bool = True) -> Consumed:
    """Consume in this process."""
    return _consume(made.url, str(made.folder), seconds, until_caught_up=until_caught_up)


def _consume(url: str, folder: str, seconds: float, *, until_caught_up: bool) -> Consumed:
    domain = read_domain("kept", Path(folder) / "contracts")
    address = make_url(url.replace("postgresql:", "postgresql+psycopg:"))
    target = create_engine(address, poolclass=NullPool)
    stream = declared_stream(domain, "origin")
    return consume(
        stream, address, target, domain, run_id="benchmark", seconds=seconds, until_caught_up=until_caught_up
    )


def _follow(url: str, folder: str, seconds: float) -> None:
    _consume(url, folder, seconds, until_caught_up=False)


def lag(made: Throwaway, rate: int, seconds: float) -> tuple[list[float], float]:
    """Seconds from the commit of each transaction in the source to when it can be read in the target; real rate."""
    process = multiprocessing.get_context("spawn").Process(
        target=_follow, args=(made.url, str(made.folder), seconds + 6)
    )
    process.start()
    time.sleep(3)
    sent: list[float] = []
    seen: list[tuple[float, int]] = []
    end = threading.Event()
    poller = threading.Thread(target=_poll, args=(made.url, seen, end))
    poller.start()
    count = int(rate * seconds / _CHANGES)
    with psycopg.connect(made.url, autocommit=True) as connection:
        began = time.monotonic()
        for number in range(1, count + 1):
            time.sleep(max(began + (number - 1) * _CHANGES / rate - time.monotonic(), 0))
            connection.execute("SELECT origin.step(%s)", (number,))
            sent.append(time.monotonic())
    deadline = time.monotonic() + 30
    while (not seen or seen[-1][1] < count) and time.monotonic() < deadline:
        time.sleep(0.01)
    end.set()
    poller.join()
    want(made, is_wanted=False)
    process.join(60)
    want(made, is_wanted=True)
    return _lags(sent, seen), count * _CHANGES / (sent[-1] - began)


def want(made: Throwaway, *, is_wanted: bool) -> None:
    """Stop the stream, or let it go on."""
    with made.engine.begin() as connection:
        ledger.change(connection, "kept.origin", is_wanted=is_wanted)


def _poll(url: str, seen: list[tuple[float, int]], end: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not end.is_set():
            row = connection.execute("SELECT max(number) FROM kept.item").fetchone()
            if row and row[0] is not None and (not seen or row[0] > seen[-1][1]):
                seen.append((time.monotonic(), row[0]))
            time.sleep(_POLL_SECONDS)


def _lags(sent: list[float], seen: list[tuple[float, int]]) -> list[float]:
    found, place = [], 0
    for number, moment in enumerate(sent, 1):
        while place < len(seen) and seen[place][1] < number:
            place += 1
        if place == len(seen):
            raise SystemExit(f"{len(sent) - number + 1} transactions never arrived")
        found.append(max(seen[place][0] - moment, 0.0))
    return found


def highest_rate(made: Throwaway, backlog: int, way: Way) -> None:
    """Print how fast a backlog is worked off, and what looking into the log costs meanwhile."""
    with psycopg.connect(made.url, autocommit=True) as connection:
        began = time.monotonic()
        connection.execute("CALL origin.steps(1000000, %s)", (1_000_000 + backlog // _CHANGES - 1,))
        written = time.monotonic() - began
        look = ""
        if way is Way.LOG:
            row = connection.execute("SELECT slot FROM groundwork_flow.stream").fetchone() or ("",)
            peek = "SELECT count(*) FROM pg_logical_slot_peek_binary_changes(%s, NULL, 1, 'proto_version', '1', "
            seconds = timed(lambda: connection.execute(peek + "'publication_names', %s)", (row[0], row[0])), 5)
            look = f"; one look into the log instead: {seconds * 1000:.1f} ms"
    done = drain(made)
    told(f"  backlog of {done.changes:,} changes, written at {backlog / written:,.0f}/s, worked off at "
          f"{done.changes / done.seconds:,.0f}/s{look}")  # fmt: skip


def notify_round_trip(made: Throwaway) -> float:
    """Median seconds from a NOTIFY to its listener."""
    with psycopg.connect(made.url, autocommit=True) as one, psycopg.connect(made.url, autocommit=True) as other:
        one.execute("LISTEN bell")

        def ring() -> None:
            other.execute("NOTIFY bell")
            list(one.notifies(timeout=5, stop_after=1))

        return timed(ring, 200)


def statement_round_trip(made: Throwaway) -> float:
    """Median seconds of a statement."""
    with psycopg.connect(made.url, autocommit=True) as connection:
        return timed(lambda: connection.execute("SELECT 1"), 500)


def told(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median seconds of a call."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


if __name__ == "__main__":
    sys.exit(main())
