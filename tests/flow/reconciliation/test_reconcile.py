"""A table that is not what its source says is found, however it came about."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import cast, literal, select

from groundwork.contracts.derive.metadata import column_type
from groundwork.flow.reconciliation.canonical import server_hash, server_text, source_hash, source_text
from groundwork.flow.reconciliation.reconcile import Reconciliation, reconcile
from tests.fix_market import PROJECT, Market
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


def compare(market: Market, name: str, project: Path = PROJECT) -> Reconciliation:
    return reconcile(market.engine, market.domain, market.domain.table(name), project=project)


def test_every_loaded_table_agrees(loaded_market: Market) -> None:
    for table in loaded_market.domain.tables:
        found = compare(loaded_market, table.name)
        assert found.agrees, found
        assert found.extra == 0
        assert found.source_rows == found.table_rows > 0
    assert compare(loaded_market, "stock_prices").source_records == 12_154


@pytest.mark.parametrize(
    ("table", "statement", "missing", "differing", "extra"),
    [
        ("dividend_aristocrats", "DELETE FROM market.dividend_aristocrats WHERE ticker = 'KO'", 1, 0, 0),
        ("dividend_aristocrats", "UPDATE market.dividend_aristocrats SET company_name = company_name || ' '", 0, 69, 0),
        ("strategies", "INSERT INTO market.strategies (name, priority) VALUES ('by_hand', 1)", 0, 0, 1),
        ("strategies", "UPDATE market.strategies SET config = config || '{\"lock_days\": 1}'", 0, 3, 0),
        ("news_articles", "UPDATE market.news_articles SET ticker = NULL WHERE ticker = 'FB'", 0, 3, 0),
    ],
)
def test_what_was_done_by_hand_shows(
    market: Market, table: str, statement: str, missing: int, differing: int, extra: int
) -> None:
    market.load(table)
    assert compare(market, table).agrees
    market.run(statement)
    found = compare(market, table)
    assert (found.missing, found.differing, found.extra) == (missing, differing, extra)
    assert found.agrees == (missing == differing == 0)
    assert (found.checksum_source == found.checksum_table) == found.agrees


def test_a_table_that_was_never_loaded_does_not_agree(market: Market) -> None:
    found = compare(market, "dividend_aristocrats")
    assert not found.agrees
    assert (found.load_id, found.missing) == (None, 69)


def test_quarantined_records_are_left_out_and_a_changed_file_shows(market: Market, tmp_path: Path) -> None:
    project = tmp_path / "project"
    seeds = project / "governance/contracts/market/seeds"
    shutil.copytree(PROJECT / "governance/contracts/market/seeds", seeds)
    file = seeds / "dividend_aristocrats.csv"
    file.write_text(file.read_text().replace("ABBV,", "abbv,", 1))
    assert market.load("dividend_aristocrats", project=project).quarantined == 1
    found = compare(market, "dividend_aristocrats", project)
    assert found.agrees
    assert (found.source_records, found.source_rows, found.is_source_unchanged) == (69, 68, True)
    file.write_text(file.read_text().replace("Coca-Cola", "Cola", 1))
    found = compare(market, "dividend_aristocrats", project)
    assert not found.agrees
    assert (found.differing, found.is_source_unchanged) == (1, False)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("text", 'a "b", é\n'),
        ("text", ""),
        ("bigint", "0012"),
        ("numeric(14,4)", "1.50005"),
        ("numeric(14,4)", "-1.50005"),
        ("numeric(14,4)", Decimal("1E+3")),
        ("numeric", "100"),
        ("numeric", "0.000"),
        ("double precision", "1e300"),
        ("double precision", 0.1),
        ("real", "0.1"),
        ("boolean", "Yes"),
        ("boolean", False),
        ("date", "2013-03-01"),
        ("uuid", "00000000-0000-0000-0000-00000000ABCD"),
        ("timestamptz", "2013-03-01T01:02:03.000004+02:00"),
        ("timestamptz", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("timestamptz", datetime(2013, 3, 1, tzinfo=timezone(timedelta(hours=-5)))),
        ("jsonb", '{"bb": 1.50, "a": [null, true, "x\\u00e9\\"\\n"], "c": {}, "d": 12345678901234567890}'),
        ("jsonb", {"ab": 1, "b": 0.1, "ä": "€"}),
        ("text", None),
    ],
)
def test_both_sides_make_the_same_text(database: Database, declared: str, value: Any) -> None:
    import json

    given = json.dumps(value) if isinstance(value, dict) else value if value is None else str(value)
    column = cast(literal(given), column_type(declared))
    with database.engine.begin() as connection:
        texts = server_text(column, declared)
        text, number = connection.execute(select(texts, server_hash([texts, texts]))).one()
    assert text == source_text(value, declared)
    assert number == source_hash([text, text])
