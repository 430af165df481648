"""Lists and rows: filters, fields, order, pages, versions, and what is refused."""

from __future__ import annotations

import base64
import json
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundwork.access.repository import Repositories
from groundwork.contracts.contract import Domain
from tests.fix_access import STRATEGY_ID, price, strategy
from tests.fix_api import RunningApi

pytestmark = pytest.mark.postgres
PRICES = "/api/v1/market/stock_prices"
STRATEGIES = "/api/v1/market/strategies"
DAYS = [date(2012, 12, 1) + timedelta(days=number) for number in range(60)]


@pytest.fixture(scope="module", autouse=True)
def rows(api: RunningApi, market_domain: Domain) -> None:
    repositories = Repositories(api.warehouse.engine, market_domain)
    repositories["stock_prices"].insert(
        [price(ticker, day, volume=day.day) for ticker in ("AAPL", "BF.B", "IBM") for day in DAYS]
    )
    repositories["strategies"].insert([strategy(number, description=None) for number in range(1, 6)])
    article = {
        "article_id": STRATEGY_ID,
        "published_at": "2012-01-01T00:00:00Z",
        "title": "Quarterly results",
        "body": "Profits rose.",
        "metadata": {"topic": "earnings"},
    }
    repositories["news_articles"].insert([article])


def test_one_row_and_its_version(api: RunningApi) -> None:
    with api.client("market_engineer") as client:
        shown = client.get(f"{PRICES}/IBM,2012-12-03")
        assert shown.status_code == 200
        assert shown.json()["close_price"] == 11
        assert shown.headers["vary"] == "X-API-Key"
        again = client.get(f"{PRICES}/IBM,2012-12-03", headers={"If-None-Match": shown.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(f"{PRICES}/IBM,2012-12-03?fields=volume").json() == {"volume": 3}
        assert client.get(f"{PRICES}/BF%2EB,2012-12-03").json()["ticker"] == "BF.B"
        assert client.head(f"{PRICES}/IBM,2012-12-03").status_code == 200
    with api.client("market_reader") as client:
        weak = client.get(f"{PRICES}/IBM,2012-12-03").headers["etag"]
        assert weak.startswith('W/"')
        assert client.get(f"{PRICES}/IBM,2012-12-03", headers={"If-None-Match": weak}).status_code == 304


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"ticker": "IBM"}, 60),
        ({"ticker": "IBM", "price_date": "2012-12-03"}, 1),
        ({"ticker__in": "IBM,AAPL", "price_date__gte": "2013-01-01"}, 58),
        ({"price_date__gt": "2012-12-31", "price_date__lt": "2013-01-03"}, 6),
        ({"volume__lte": "2", "ticker__ne": "IBM"}, 8),
        ({"close_price__gte": "11.00001"}, 0),
        ({"close_price": "11.0"}, 180),
        ({"loaded_at__gte": "2001-01-01"}, 180),
        ({"volume__is_null": "true"}, 0),
        ({"volume__is_null": "false", "ticker": "AAPL"}, 60),
        ({"ticker": "' OR 1=1 --"}, 0),
    ],
)
def test_filters(api: RunningApi, parameters: dict[str, str], expected: int) -> None:
    with api.client("market_reader") as client:
        found = client.get(PRICES, params={**parameters, "limit": "1000"})
    assert found.status_code == 200, found.text
    assert len(found.json()["data"]) == expected


def test_documents_and_full_text(api: RunningApi) -> None:
    with api.client("market_reader") as client:
        base = "/api/v1/market/news_articles"
        assert len(client.get(base, params={"metadata__contains": '{"topic": "earnings"}'}).json()["data"]) == 1
        assert client.get(base, params={"metadata__contains": '{"topic": "other"}'}).json()["data"] == []
        found = client.get(base, params={"search_vector__search": "quarterly profits"}).json()["data"]
        assert [row["title"] for row in found] == ["Quarterly results"]
        assert "search_vector" not in found[0]
        assert client.get(base, params={"search_vector__search": "losses"}).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("prority=3", "prority"),
        ("priority=three", "market.strategies.priority"),
        ("priority=3&priority=4", "the filters"),
        ("priority__like=3", "priority__like"),
        ("priority=99999999999999999999", "market.strategies.priority"),
        ("limit=0", None),
        ("limit=1001", None),
        ("limit=-1", "limit"),
        ("limit=1&limit=2", "limit"),
        ("order=description", "market.strategies"),
        ("order=priority,-priority", "market.strategies"),
        ("order=name;drop table market.strategies", "market.strategies"),
        ("fields=nothing", "market.strategies"),
        ("fields=", "market.strategies"),
        ("cursor=x", None),
        ("name=%00", "market.strategies.name"),
        ("created_at=yesterday", "market.strategies.created_at"),
        ("is_active=yes", "market.strategies.is_active"),
        ("strategy_id=%27%3B--", "market.strategies.strategy_id"),
        ("strategy_id__in=", "market.strategies.strategy_id"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(api: RunningApi, query: str, where: str | None) -> None:
    with api.client("market_reader") as client:
        refused = client.get(f"{STRATEGIES}?{query}")
    assert refused.status_code == 422, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem.get("where") == where
    assert problem["title"]
    assert problem["expected"]
    assert "found" in problem
    assert problem["next_step"]


@pytest.mark.parametrize("key", ["x", "%27%20OR%201=1", "1,2", "%FF", f"{STRATEGY_ID}%00"])
def test_keys_that_are_none(api: RunningApi, key: str) -> None:
    with api.client("market_reader") as client:
        assert client.get(f"{STRATEGIES}/{key}").status_code == 422


def test_rows_tables_and_paths_that_are_not_there(api: RunningApi) -> None:
    with api.client("market_reader") as client:
        for path in (f"{STRATEGIES}/{STRATEGY_ID}".replace("0001", "0009"), "/api/v1/market/pg_authid"):
            missing = client.get(path)
            assert missing.status_code == 404
            assert missing.json()["status"] == 404
        assert client.get("/api/v1/other/strategies").status_code == 404
        assert client.get("/docs").status_code == 404
        wrong = client.delete(f"{STRATEGIES}/{STRATEGY_ID}")
        assert wrong.status_code == 405
        assert {part.strip() for part in wrong.headers["allow"].split(",")} >= {"GET", "PATCH"}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    limit=st.integers(1, 70),
    order=st.sampled_from(["", "price_date", "-price_date", "-volume", "volume,-price_date", "-ticker,price_date"]),
    ticker=st.sampled_from([None, "IBM"]),
)
def test_pages_give_every_row_once_and_in_order(api: RunningApi, limit: int, order: str, ticker: str | None) -> None:
    parameters = {"limit": str(limit), "fields": "ticker,price_date,volume"}
    parameters |= {"order": order} if order else {}
    parameters |= {"ticker": ticker} if ticker else {}
    with api.client("market_reader") as client:
        page = client.get(PRICES, params=parameters).json()
        found = page["data"]
        while page["next"]:
            assert len(page["data"]) == limit
            page = client.get(page["next"]).json()
            found += page["data"]
    keys = [(row["ticker"], row["price_date"]) for row in found]
    assert len(keys) == len(set(keys)) == (60 if ticker else 180)
    for name in reversed([*order.split(","), *([] if order else ["ticker", "price_date"])]):
        if name:
            last = name if name in (order.split(",", maxsplit=1)[0], "ticker") else None
            values = [row[name.removeprefix("-")] for row in found]
            if last and (order.split(",", maxsplit=1)[0] == name or not order):
                assert values == sorted(values, reverse=name.startswith("-"))


def test_a_page_does_not_shift_when_rows_come_in_before_it(api: RunningApi, market_domain: Domain) -> None:
    repository = Repositories(api.warehouse.engine, market_domain)["stock_prices"]
    with api.client("market_reader") as client:
        first = client.get(PRICES, params={"limit": "60"}).json()
        repository.insert([price("AAA", DAYS[0])])
        second = client.get(first["next"]).json()
    repository.delete(("AAA", DAYS[0]))
    assert second["data"][0]["ticker"] == "BF.B"
    assert second["data"][0]["price_date"] == "2012-12-01"


def _cursor(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        _cursor([["strategy_id"], ["' OR true --"]]),
        _cursor([["strategy_id"], []]),
        _cursor([["strategy_id; DROP TABLE market.strategies"], ["x"]]),
        _cursor([["-strategy_id"], [str(STRATEGY_ID)]]),
        _cursor([["strategy_id"], [["nested"]]]),
        _cursor({"a": 1}),
        _cursor(1),
        "%2e%2e",
        "A" * 5000,
        "[" * 100,
        "é",
    ],
)
def test_cursors_that_this_list_did_not_give(api: RunningApi, cursor: str) -> None:
    with api.client("market_reader") as client:
        assert client.get(STRATEGIES, params={"cursor": cursor}).status_code == 422
        assert len(client.get(STRATEGIES).json()["data"]) == 5
