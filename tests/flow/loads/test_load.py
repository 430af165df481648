"""The whole domain loads with books that balance, again and again, and tables change only where the source did."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from groundwork.flow import ledger
from groundwork.flow.source import file_source
from groundwork.flow.sources.origin import Origin
from groundwork.model.errors import ConfigError, RetriableError
from tests.fix_market import Market
from tests.fix_postgres import Database
from tests.flow.depot import column, make_depot

pytestmark = pytest.mark.postgres

HEADER = "Ticker,Date,Open,High,Low,Close,Volume,Adj Close\n"
PRICES = "SELECT ticker, price_date, close_price FROM market.stock_prices ORDER BY ticker, price_date"


def price(ticker: str, day: str, close: float = 10, **changed: object) -> str:
    """One CSV record of a price."""
    fields = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 5, "adjusted": close}
    return ",".join(map(str, (ticker, day, *{**fields, **changed}.values()))) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def load_prices(market: Market, file: Path, *records: str, **options: int) -> object:
    file.write_text(HEADER + "".join(records))
    return market.load("stock_prices", source_override=market.source("stock_prices", file, **options))


def test_the_whole_domain_loads_and_the_second_run_changes_nothing(market: Market) -> None:
    first = market.load_all("first")
    assert first["stock_prices"].loaded == 12_154
    assert first["stock_prices"].is_direct
    assert first["dividend_aristocrats"].loaded == 69
    assert first["trading_signals"].loaded > 1_000
    for result in first.values():
        assert result.is_balanced
        assert result.quarantined == 0
        assert result.loaded == result.read == market.value(f"SELECT count(*) FROM {result.table}")
    versions = "SELECT max(xmin::text::bigint) FROM market."
    before = {name: market.value(versions + name) for name in first}
    second = market.load_all("second")
    for name, result in second.items():
        assert (result.loaded, result.updated, result.quarantined) == (0, 0, 0), name
        assert result.duplicates + result.unchanged == result.read == first[name].read
        assert result.checksum == first[name].checksum
    assert {name: market.value(versions + name) for name in first} == before


def test_books_and_watermarks_are_in_the_ledger(loaded_market: Market) -> None:
    with loaded_market.engine.connect() as connection:
        loads = {row["table_name"]: row for row in ledger.latest_loads(connection, "market")}
        marks = ledger.watermarks(connection, "market", "stock_prices")
    assert len(loads) == 9
    assert loads["stock_prices"]["state"] == "finished"
    assert loads["stock_prices"]["watermark_before"] == {}
    assert loads["stock_prices"]["watermark_after"] == marks
    assert marks == dict.fromkeys(("AAPL", "FB", "GOOG", "IBM", "MSFT"), "2013-03-01")
    assert all(row["read"] == row["loaded"] for row in loads.values())


def test_the_database_refuses_books_that_do_not_balance(loaded_market: Market) -> None:
    with pytest.raises(IntegrityError, match="ck_load_balance"):
        loaded_market.run("UPDATE groundwork_flow.load SET loaded = loaded + 1")


def test_append_loads_what_is_new_and_late_and_refuses_what_contradicts(market: Market, file: Path) -> None:
    load_prices(market, file, price("A", "2020-01-02"), price("A", "2020-01-04"), price("B", "2020-01-02"))
    result = load_prices(
        market,
        file,
        price("A", "2020-01-02"),  # the same again
        price("A", "2020-01-03"),  # late: below A's watermark, and missing
        price("A", "2020-01-04", close=11),  # there with other values
        price("A", "2020-01-05"),  # new
        price("B", "2020-01-03"),  # new, though below A's watermark
    )
    assert (result.read, result.loaded, result.late) == (5, 3, 1)
    assert (result.duplicates, result.quarantined) == (1, 1)
    assert result.reasons == {"key_conflict": 1}
    assert result.watermark_before == {"A": "2020-01-04", "B": "2020-01-02"}
    assert result.watermark_after == {"A": "2020-01-05", "B": "2020-01-03"}
    assert market.value("SELECT close_price FROM market.stock_prices WHERE price_date = '2020-01-04'") == 10
    assert market.value("SELECT raw->>'close_price' FROM groundwork_flow.quarantine") == "11.0000"


@pytest.mark.parametrize("place", ["first", "last"])
def test_one_broken_record_in_a_large_first_file(
    market: Market, file: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = [
        price(f"T{number}", f"20{year}-01-{day:02}")
        for number in range(500)
        for year in (10, 11)
        for day in range(1, 29)
    ]
    records = ["x,secret\n", *good] if place == "first" else [*good, "x,secret\n"]
    result = load_prices(market, file, *records)
    assert (result.loaded, result.quarantined, result.is_direct) == (len(good), 1, True)
    assert "secret" not in caplog.text  # neither rows nor parts of them belong in a log


def test_the_watermark_never_moves_back(market: Market, file: Path) -> None:
    load_prices(market, file, price("A", "2020-01-10"))
    result = load_prices(market, file, price("A", "2020-01-05"))
    assert (result.loaded, result.late) == (1, 1)
    assert result.watermark_after == {"A": "2020-01-10"}


def test_small_batches_give_the_same_table(market: Market, file: Path) -> None:
    days = [f"2020-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    records = [price("A", day, close=10 + number) for number, day in enumerate(days)]
    load_prices(market, file, price("A", "2019-01-01"))  # not empty: through staging from here on
    result = load_prices(market, file, *records, batch_rows=3)
    assert not result.is_direct
    assert result.loaded == len(days)
    closes = [row.close_price for row in market.rows(PRICES)][1:]
    assert closes == [10 + number for number in range(len(days))]


def test_a_repeated_record_counts_once_and_a_repeated_key_with_other_values_is_rejected(
    market: Market, file: Path
) -> None:
    records = [price("A", "2020-01-02"), price("A", "2020-01-02"), price("A", "2020-01-02", close=12)]
    result = load_prices(market, file, *records)
    assert not result.is_direct
    assert (result.loaded, result.duplicates, result.quarantined) == (1, 1, 1)
    assert result.reasons == {"duplicate_key": 1}
    assert market.rows("SELECT position FROM groundwork_flow.quarantine") == [(3,)]


def test_merge_updates_what_changed_and_nothing_else(market: Market, tmp_path: Path) -> None:
    market.load("strategies")
    seeds = Path(__file__).parents[3] / "governance/contracts/market/seeds/strategies.jsonl"
    rows = [json.loads(line) for line in seeds.read_text().splitlines()]
    changed = {**rows[0], "priority": 999, "config": {**rows[0]["config"], "lock_days": 3}}
    file = tmp_path / "strategies.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in (changed, *rows[1:])))
    versions = "SELECT name, xmin::text, created_at, updated_at FROM market.strategies ORDER BY priority DESC"
    before = market.rows(versions)
    result = market.load("strategies", source_override=market.source("strategies", file))
    assert (result.updated, result.unchanged, result.loaded) == (1, 2, 0)
    after = market.rows(versions)
    assert [row.xmin for row in after][1:] == [row.xmin for row in before][1:]
    assert after[0].created_at == before[0].created_at
    assert after[0].updated_at > before[0].updated_at
    lock = "SELECT config->>'lock_days' FROM market.strategies WHERE priority = 999"
    assert market.value(lock) == "3"


def test_a_name_taken_by_another_row_is_rejected(market: Market, tmp_path: Path) -> None:
    market.load("strategies")
    file = tmp_path / "strategies.jsonl"
    new = {"strategy_id": "00000000-0000-0000-0000-000000000001", "name": "momentum", "priority": 1, "config": {}}
    twice = [{**new, "strategy_id": f"00000000-0000-0000-0000-00000000000{n}", "name": "fresh"} for n in (2, 3)]
    file.write_text("\n".join(json.dumps(row) for row in (new, *twice)))
    result = market.load("strategies", source_override=market.source("strategies", file))
    assert (result.loaded, result.quarantined) == (1, 2)
    assert result.reasons == {"unique:name": 2}
    assert market.rows("SELECT position FROM groundwork_flow.quarantine ORDER BY 1") == [(1,), (3,)]


def test_a_trial_goes_elsewhere_and_is_marked(market: Market, file: Path) -> None:
    market.run("CREATE SCHEMA scratch")
    market.run("CREATE TABLE scratch.stock_prices (LIKE market.stock_prices INCLUDING ALL)")
    file.write_text(HEADER + price("A", "2020-01-02") + price("a", "2020-01-02"))
    source = market.source("stock_prices", file)
    result = market.load("stock_prices", source_override=source, target_schema="scratch", is_trial=True)
    assert (result.loaded, result.quarantined, result.is_trial) == (1, 1, True)
    assert market.value("SELECT count(*) FROM market.stock_prices") == 0
    assert market.rows("SELECT schema_name, is_trial FROM groundwork_flow.quarantine") == [("scratch", True)]
    with market.engine.begin() as connection:
        assert ledger.latest_loads(connection, "scratch") == []
        ledger.forget_trials(connection, "scratch")
    counts = [
        market.value(f"SELECT count(*) FROM groundwork_flow.{name}") for name in ("load", "quarantine", "watermark")
    ]
    assert counts == [0, 0, 0]


def test_the_ledger_can_be_made_twice(market: Market) -> None:
    for _ in range(2):
        with market.engine.begin() as connection:
            ledger.ensure(connection)
    with market.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM groundwork_flow.load")).scalar() == 0


@pytest.mark.parametrize(
    ("origin", "what"),
    [
        ({"path": "gone.csv"}, "cannot be opened"),
        ({"path": "../outside.csv"}, "inside the project"),
        ({"path": "prices.csv", "package": "no_such_package"}, "not installed"),
        ({"path": "prices.csv", "compression": "rar"}, "compression"),
    ],
)
def test_a_source_that_is_not_there_is_told_clearly(
    market: Market, tmp_path: Path, origin: dict[str, str], what: str
) -> None:
    source = file_source(market.domain.table("stock_prices"), Origin(project=tmp_path, **origin))
    with pytest.raises(ConfigError, match=what) as caught:
        market.load("stock_prices", source_override=source)
    assert caught.value.where
    assert caught.value.next_step


def test_a_source_that_breaks_off_changes_nothing_and_may_be_tried_again(market: Market, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv.gz"
    whole = gzip.compress((HEADER + "".join(price("A", f"2020-01-{day:02}") for day in range(1, 29))).encode())
    file.write_bytes(whole[:-20])
    source = file_source(
        market.domain.table("stock_prices"), Origin(project=tmp_path, path=file.name, compression="gzip")
    )
    with pytest.raises(RetriableError, match="broke off"):
        market.load("stock_prices", source_override=source)
    assert market.value("SELECT count(*) FROM market.stock_prices") == 0
    assert market.value("SELECT count(*) FROM groundwork_flow.load") == 0
    file.write_bytes(whole)
    assert market.load("stock_prices", source_override=source).loaded == 28


@pytest.mark.parametrize(
    "header", ["", "Ticker,Date\n", HEADER.replace("Open", "Opening"), HEADER.replace("Open", "Low")]
)
def test_a_header_that_does_not_fit_is_refused(market: Market, file: Path, header: str) -> None:
    file.write_text(header + price("A", "2020-01-02"))
    with pytest.raises(ConfigError, match="header"):
        market.load("stock_prices", source_override=market.source("stock_prices", file))


def test_a_missing_table_is_no_mystery(market: Market) -> None:
    market.run("DROP TABLE market.dividend_aristocrats")
    with pytest.raises(ConfigError, match="a table is not there") as caught:
        market.load("dividend_aristocrats")
    assert "compare-to-db" in (caught.value.next_step or "")


def test_a_batch_without_a_clean_record_brings_nothing_of_the_one_before(database: Database, tmp_path: Path) -> None:
    condition = {"property": "checks", "value": [{"name": "items_odd_check", "condition": "item_id <> 1000"}]}
    columns = [column("item_id", "bigint", key=1), column("name", "text")]
    depot = make_depot(database.engine, tmp_path, columns, source={"mode": "merge"}, properties=[condition])
    depot.run("INSERT INTO depot.items VALUES (0, 'there')")  # so that rows wait, and the server looks at each
    clean, broken = [f"{number},name" for number in range(1, 101)], [f"x{number},name" for number in range(100)]
    result = depot.load("item_id,name", *clean, *broken, "1000,name", batch_rows=1)
    assert (result.read, result.loaded, result.duplicates, result.quarantined) == (201, 100, 0, 101)
    assert result.reasons == {"expression:item_id": 1, "type:item_id": 100}
