"""Creating and changing rows: validation, versions, conflicts, and the audit of each."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from groundwork.store.audit import AuditTrail
from tests.fix_access import STRATEGY_ID, count
from tests.fix_api import RunningApi

pytestmark = pytest.mark.postgres
STRATEGIES = "/api/v1/market/strategies"


@pytest.fixture
def engineer(api: RunningApi) -> Iterator[httpx.Client]:
    with api.client("market_engineer") as client:
        yield client


def _new(**changes: object) -> dict[str, object]:
    return {"strategy_id": str(uuid.uuid4()), "name": f"s_{uuid.uuid4().hex[:12]}", "priority": 5, **changes}


def test_a_row_is_created_and_changed_by_version(engineer: httpx.Client, api: RunningApi) -> None:
    row = _new(config={"window": 20})
    created = engineer.post(STRATEGIES, json=row)
    assert created.status_code == 201, created.text
    assert created.headers["location"] == f"{STRATEGIES}/{row['strategy_id']}"
    assert created.json()["is_active"] is True
    path, version = created.headers["location"], created.headers["etag"]
    assert engineer.get(path).headers["etag"] == version
    changed = engineer.patch(path, json={"priority": 7, "description": None}, headers={"If-Match": version})
    assert changed.status_code == 200
    assert changed.json()["priority"] == 7
    assert changed.headers["etag"] != version
    stale = engineer.patch(path, json={"priority": 8}, headers={"If-Match": version})
    assert stale.status_code == 412
    assert "read the row again" in stale.json()["next_step"]
    assert engineer.get(path).json()["priority"] == 7
    assert engineer.patch(path, json={"priority": 9}, headers={"If-Match": "*"}).status_code == 200


def test_each_write_is_audited_without_values(engineer: httpx.Client, api: RunningApi) -> None:
    row = _new(config={"secret": "not for the trail"})
    created = engineer.post(STRATEGIES, json=row)
    engineer.patch(created.headers["location"], json={"priority": 1}, headers={"If-Match": created.headers["etag"]})
    trail = AuditTrail(api.store.engine)
    changed, made = trail.latest(2)
    assert (made["action"], changed["action"]) == ("row_created", "row_updated")
    assert made["subject"] == "warehouse:market.strategies"
    assert made["actor"].startswith("api:")
    assert made["operation_id"] == "DATA.MARKET.DATA_API.GROUNDWORK.20000.211"
    assert made["section"] == "data.access.apis"
    assert made["details"] == {
        "role": "market_engineer",
        "key": {"strategy_id": row["strategy_id"]},
        "columns": ["config", "name", "priority", "strategy_id"],
    }
    assert changed["details"]["columns"] == ["priority"]
    assert trail.verify().is_intact


def test_every_wrong_field_is_told(engineer: httpx.Client) -> None:
    row = {"strategy_id": "x", "name": "Bad Name", "priority": -1, "config": [], "is_active": "yes", "colour": "red"}
    refused = engineer.post(STRATEGIES, json=row)
    assert refused.status_code == 422
    errors = {error["column"]: error for error in refused.json()["errors"]}
    assert set(errors) == {"strategy_id", "name", "priority", "config", "is_active", "colour"}
    assert errors["priority"] == {
        "column": "priority",
        "expected": "at least 0",
        "found": "-1",
        "suggestion": "did you mean `1`? (the smallest value allowed is 0)",
    }
    assert errors["config"]["expected"] == "a JSON object"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"", {}, 400),
        (b"\xff", {}, 400),
        (b'{"priority": NaN}', {}, 400),
        (b'{"priority": 1, "priority": 2}', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"priority": ' + b"9" * 5000 + b"}", {}, 400),
        (b"[]", {}, 422),
        (b"{}", {}, 422),
        (b'{"name": "ab\\u0000", "priority": 1}', {}, 422),
        (b'{"name": "\\ud800", "priority": 1}', {}, 422),
        (b'{"name": "good_name", "priority": 1e999999}', {}, 422),
        (b'{"name": "good_name", "priority": 1, "config": {"a": "\\u0000"}}', {}, 422),
        (b'{"name": "good_name", "priority": 1, "config": {"a": 1e400}}', {}, 422),
        (b'{"name": "good_name", "priority": 1, "created_at": "0001-01-01T00:00:00+14:00"}', {}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b'{"name": "' + b"a" * 1_100_000 + b'"}', {}, 413),
    ],
)
def test_hostile_bodies(
    engineer: httpx.Client, api: RunningApi, body: bytes, headers: dict[str, str], status: int
) -> None:
    before = count(api.warehouse.engine, "strategies")
    refused = engineer.post(STRATEGIES, content=body, headers={"Content-Type": "application/json", **headers})
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert count(api.warehouse.engine, "strategies") == before


def test_conflicts(engineer: httpx.Client) -> None:
    row = _new()
    assert engineer.post(STRATEGIES, json=row).status_code == 201
    same = engineer.post(STRATEGIES, json=row)
    assert (same.status_code, same.json()["expected"]) == (409, "a new value in strategy_id")
    named = engineer.post(STRATEGIES, json=_new(name=row["name"]))
    assert (named.status_code, named.json()["expected"]) == (409, "a new value in name")
    order = {
        "order_id": str(uuid.uuid4()), "strategy_id": row["strategy_id"], "signal_id": str(uuid.uuid4()),
        "ticker": "IBM", "side": "buy", "quantity": 1, "limit_price": 1.5, "status": "open",
        "placed_at": "2012-01-01T00:00:00Z",
    }  # fmt: skip
    orphan = engineer.post("/api/v1/market/orders", json=order)
    assert orphan.status_code == 409
    assert orphan.json()["expected"] == "a value of trading_signals.signal_id"


def test_a_broken_rule_over_several_columns(engineer: httpx.Client) -> None:
    row = {
        "ticker": "IBM", "price_date": "2012-06-01", "open_price": 10, "high_price": 9, "low_price": 8,
        "close_price": 8.5, "adjusted_close_price": 8.5, "volume": 1,
    }  # fmt: skip
    refused = engineer.post("/api/v1/market/stock_prices", json=row)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["expected"] == "high_price >= open_price AND high_price >= close_price"


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 428), ({"If-Match": "1"}, 412), ({"If-Match": 'W/"1"'}, 412), ({"If-Match": '"1", "2"'}, 412),
     ({"If-Match": "\"' OR 1=1 --\""}, 412)],
)  # fmt: skip
def test_versions_that_are_none(engineer: httpx.Client, headers: dict[str, str], status: int) -> None:
    created = engineer.post(STRATEGIES, json=_new())
    refused = engineer.patch(created.headers["location"], json={"priority": 1}, headers=headers)
    assert refused.status_code == status
    assert engineer.get(created.headers["location"]).json()["priority"] == 5


def test_changes_that_are_none(engineer: httpx.Client) -> None:
    path = engineer.post(STRATEGIES, json=_new()).headers["location"]
    for change in ({}, {"strategy_id": str(STRATEGY_ID)}, {"updated_at": "2020-01-01T00:00:00Z"}, {"priority": None}):
        assert engineer.patch(path, json=change, headers={"If-Match": "*"}).status_code == 422, change
    missing = f"{STRATEGIES}/{uuid.uuid4()}"
    assert engineer.patch(missing, json={"priority": 1}, headers={"If-Match": "*"}).status_code == 404
    assert engineer.patch(missing, json={"priority": 1}, headers={"If-Match": '"1"'}).status_code == 404
    assert engineer.post(f"{STRATEGIES}?dry_run=true", json=_new()).status_code == 422


def test_numbers_keep_their_digits(engineer: httpx.Client) -> None:
    row = (
        '{"ticker": "EXACT", "price_date": "2012-06-01", "open_price": 10, "high_price": 10, "low_price": 10, '
        '"close_price": 10, "adjusted_close_price": 123456789.1234567890123, "volume": 9007199254740993}'
    )
    made = engineer.post("/api/v1/market/stock_prices", content=row, headers={"Content-Type": "application/json"})
    assert made.status_code == 201, made.text
    assert '"adjusted_close_price":123456789.1234567890123' in made.text
    assert '"volume":9007199254740993' in made.text


def test_what_cannot_be_audited_is_not_written(engineer: httpx.Client, api: RunningApi) -> None:
    engineer.get(STRATEGIES)  # the key's use is noted, so that the next request needs no write for it
    before = count(api.warehouse.engine, "strategies")
    with api.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event RENAME TO audit_event_away"))
    try:
        refused = engineer.post(STRATEGIES, json=_new())
    finally:
        with api.store.engine.begin() as connection:
            connection.execute(text("ALTER TABLE groundwork.audit_event_away RENAME TO audit_event"))
    assert refused.status_code == 503
    assert count(api.warehouse.engine, "strategies") == before
