"""An inferred contract is one that can be used: it passes the rules, its tables are made, and its files load whole."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import text

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.lint.run import lint_domain
from groundwork.contracts.read import read_domain
from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table
from groundwork.flow.loads.order import load_levels
from groundwork.infer.files import infer_files
from groundwork.infer.profile import Proposal
from groundwork.model.vocabulary import Severity
from tests.fix_market import PROJECT
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
NOTE = 'say "hi",\nplease'


def written(proposal: Proposal, project: Path) -> Domain:
    """The proposal as a contract file of the domain `shop`, checked by all rules."""
    folder = project / "governance" / "contracts" / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    document = {**proposal.document, "status": "draft"}
    (folder / "files.odcs.yaml").write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    errors = [found for found in lint_domain("shop", folder.parent) if found.severity is Severity.ERROR]
    assert errors == []
    return read_domain("shop", folder.parent)


def loaded(proposal: Proposal, project: Path, database: Database) -> dict[str, LoadResult]:
    """What loading every table of the proposal gave, in a schema made new for it."""
    domain = written(proposal, project)
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS shop CASCADE"))
        for statement in statements(domain):
            connection.exec_driver_sql(statement.sql)
    tables = [table for level in load_levels(domain) for table in level]
    return {table.name: load_table(database.engine, domain, table, project=project, run_id="test") for table in tables}


def whole(result: LoadResult) -> bool:
    return result.is_balanced and result.quarantined == 0 and result.read == result.loaded > 0


def test_a_shop_of_csv_files_loads_whole_with_its_references(module_database: Database, tmp_path: Path) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with (tmp_path / "customers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Customer ID", "Full Name", "E-Mail", "ZIP", "Segment"])
        for n in range(1, 61):
            name = f"{['Ada', 'Grace', 'Alan', 'Edsger'][n % 4]} {['Hopper', 'Turing', 'Noether'][n % 3]}"
            writer.writerow([n, name, f"p{n}@example.com", f"{n:05}", ["retail", "trade"][n % 2]])
    with gzip.open(tmp_path / "orders.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["orderId", "customer_id", "placedAt", "amount", "is_paid", "note"])
        for n in range(1, 501):
            at = (start + timedelta(hours=n)).isoformat()
            writer.writerow(
                [1000 + n, n % 60 + 1, at, f"{n * 1.37:.2f}", int(n % 3 > 0), 'say "hi",\nplease' * (n % 2)]
            )
    with (tmp_path / "order_lines.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_id", "line_no", "quantity"])
        writer.writerows([1000 + n, line, (n * line) % 9 + 1] for n in range(1, 301) for line in (1, 2, 3))
    paths = [tmp_path / name for name in ("customers.csv", "orders.csv.gz", "order_lines.csv")]
    proposal = infer_files(paths, domain="shop", project=tmp_path)
    assert proposal.left_out == ()
    domain = written(proposal, tmp_path)
    assert domain.table("order_lines").primary_key == ("order_id", "line_no")
    references = {
        (table.name, found.columns, found.target_table) for table in domain.tables for found in table.relationships
    }
    assert references == {("orders", ("customer_id",), "customers"), ("order_lines", ("order_id",), "orders")}
    assert domain.table("customers").column("zip").type == "text"
    assert str(domain.table("customers").column("e_mail").personal_data) == "email"
    assert domain.table("orders").column("amount").type == "numeric(8,2)"
    assert domain.table("orders").column("is_paid").type == "boolean"
    results = loaded(proposal, tmp_path, module_database)
    assert {name: result.loaded for name, result in results.items()} == {
        "customers": 60,
        "orders": 500,
        "order_lines": 900,
    }
    assert all(whole(result) for result in results.values())


def test_json_lines_load_whole(module_database: Database, tmp_path: Path) -> None:
    records = [
        {
            "eventId": f"8be36e13-fe7e-4ec3-b330-77138c7b{n:04x}",
            "occurredAt": f"2024-01-{n % 28 + 1:02}T10:00:00Z",
            "tags": ["a", 'b"c\\'][: n % 3],
            "sizes": [n, n + 1],
            "price": n / 4,
            "payload": {"kind": "x", "inner": {"n": n, "ratio": 0.5}},
            **({"comment": f"number {n}"} if n % 5 else {}),
        }
        for n in range(200)
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    proposal = infer_files(tmp_path / "events.jsonl", domain="shop", project=tmp_path)
    assert proposal.left_out == ()
    result = loaded(proposal, tmp_path, module_database)["events"]
    assert whole(result)
    assert result.loaded == 200
    with module_database.engine.connect() as connection:
        row = connection.execute(text("SELECT tags, payload, price FROM shop.events WHERE sizes[1] = 7")).one()
    assert row.payload == {"kind": "x", "inner": {"n": 7, "ratio": 0.5}}
    assert float(row.price) == 1.75


def test_the_seeds_of_the_market_and_its_prices_load_whole(module_database: Database, tmp_path: Path) -> None:
    from importlib import resources

    for name in ("dividend_aristocrats.csv", "news_articles.jsonl"):
        seed = PROJECT / "governance" / "contracts" / "market" / "seeds" / name
        (tmp_path / name).write_bytes(seed.read_bytes())
    prices = resources.files("bokeh_sampledata").joinpath("_data/stocks.csv.gz")
    (tmp_path / "stocks.csv.gz").write_bytes(prices.read_bytes())
    paths = [tmp_path / name for name in ("dividend_aristocrats.csv", "news_articles.jsonl", "stocks.csv.gz")]
    proposal = infer_files(paths, domain="shop", project=tmp_path)
    assert proposal.left_out == ()
    domain = written(proposal, tmp_path)
    assert domain.table("stocks").primary_key == ("ticker", "date")
    assert {column.type for column in domain.table("stocks").columns} == {
        "text", "date", "integer", "numeric(10,4)", "numeric(21,15)",
    }  # fmt: skip
    assert domain.table("dividend_aristocrats").primary_key == ("ticker",)
    assert len(domain.table("dividend_aristocrats").column("sector").allowed_values) == 10
    authors = domain.table("news_articles")
    assert [authors.column(name).masking for name in ("author_name", "author_email")] == ["partial", "partial"]
    results = loaded(proposal, tmp_path, module_database)
    assert {name: result.loaded for name, result in results.items()} == {
        "dividend_aristocrats": 69, "news_articles": 24, "stocks": 12_154,
    }  # fmt: skip
    assert all(whole(result) for result in results.values())
