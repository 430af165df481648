"""Reads through the masked views against the same reads of the table, as ratios.

Both with `security_barrier` and without. 200,000 news items (made up for this measurement) in the contract's own table
with its indexes. The table is read by its owner, the view by a role that sees masks and by one that sees values. Each
query runs several rounds in turn on one connection; the best round counts. A ratio is the view's time over the table's:
1 is equal, more is slower.

Run: .venv/bin/python benchmarks/masking.py [--rows N] [--rounds N]
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

import psycopg
from psycopg import sql
from server import throwaway_database
from sqlalchemy import Engine

from groundwork.catalog.session import run
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.read import read_domain
from groundwork.governance.access import apply_access
from groundwork.governance.policy import read_policies
from groundwork.governance.verification import verify_access
from groundwork.settings import Settings

_FILL = """
    INSERT INTO market.news_articles
        (article_id, ticker, published_at, title, body, author_name, author_email, metadata)
    SELECT gen_random_uuid(), 'T' || n % 500, timestamptz '2020-01-01' + n * interval '7 minutes', 'Title ' || n,
           'Body of item ' || n || ' about ' || (ARRAY['results', 'mergers', 'dividends', 'people'])[1 + n % 4],
           'Author Number' || n % 9000, 'author' || n % 9000 || '@example.com',
           jsonb_build_object('topic', 't' || n % 2000)
    FROM generate_series(1, %s) n
"""
QUERIES = {
    "all rows, guarded columns": "SELECT article_id, author_name, author_email FROM {items}",
    "all rows, open columns": "SELECT article_id, ticker, title FROM {items}",
    "count by guarded column": "SELECT author_name, count(*) FROM {items} GROUP BY 1",
    "one ticker, newest first": (
        "SELECT title, author_email FROM {items} WHERE ticker = 'T7' ORDER BY published_at DESC LIMIT 50"
    ),
    "metadata contains": 'SELECT title FROM {items} WHERE metadata @> \'{{"topic": "t7"}}\'',
    "full text": "SELECT title FROM {items} WHERE search_vector @@ to_tsquery('english', '4711')",
}


def main() -> int:
    """Measure and print; 0 when access was as policy says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with throwaway_database() as made:
        fill(made.engine, arguments.rows)
        with psycopg.connect(made.url, autocommit=True) as connection:
            for has_barrier in (True, False):
                govern(made.engine, has_barrier=has_barrier)
                for name, query in QUERIES.items():
                    report(name, measure(connection, query, arguments.rounds))
    return 0


def fill(engine: Engine, rows: int) -> None:
    """The domain's tables, and the rows."""
    domain = read_domain("market", Settings.from_environment().contracts)
    with engine.begin() as connection:
        for statement in statements(domain):
            run(connection, statement.sql)
        run(connection, _FILL.replace("%s", str(rows)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        run(connection, "VACUUM ANALYZE market.news_articles")
    say(f"rows: {rows:,}")


def govern(engine: Engine, *, has_barrier: bool) -> None:
    """Views with or without the barrier; refuses to measure when access does not hold."""
    settings = Settings.from_environment()
    domain, policies = read_domain("market", settings.contracts), read_policies(settings.policies)
    policies = replace(policies, access=replace(policies.access, has_barrier=has_barrier))
    started = time.perf_counter()
    changes = apply_access(engine, domain, policies).changes
    applied = time.perf_counter()
    failed = [finding for finding in verify_access(engine, domain, policies) if not finding.passed]
    verified = time.perf_counter()
    if failed:
        raise SystemExit(f"access is not as policy says: {failed}")
    kind = "with" if has_barrier else "without"
    say(f"views {kind} barrier: apply_access {applied - started:.2f} s ({len(changes)} changes), ", end="")
    say(f"verify_access {verified - applied:.2f} s")


def measure(connection: psycopg.Connection, query: str, rounds: int) -> dict[str, float]:
    """Best seconds of the query per reader, the readers in turn."""
    readers = {
        "table": (None, ("market", "news_articles")),
        "masked": ("market_reader", ("market_access", "news_articles")),
        "clear": ("market_analyst", ("market_access", "news_articles")),
    }
    best: dict[str, float] = {}
    for _ in range(rounds):
        for reader, (role, place) in readers.items():
            statement = sql.SQL(query).format(items=sql.Identifier(*place))
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)) if role else "RESET ROLE")
            started = time.perf_counter()
            with connection.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(statement)) as rows:
                for _chunk in rows:
                    pass
            best[reader] = min(time.perf_counter() - started, best.get(reader, float("inf")))
    connection.execute("RESET ROLE")
    return best


def report(name: str, best: dict[str, float]) -> None:
    """One line per query."""
    table = best["table"]
    say(
        f"{name}: table {table * 1000:.1f} ms; ratio masked {best['masked'] / table:.2f}, "
        f"clear {best['clear'] / table:.2f}"
    )


def say(line: str, end: str = "\n") -> None:
    """One piece of the report."""
    sys.stdout.write(line + end)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
