"""Orders as tasks check and save them: good ones, bad ones, and a save of which nothing remains."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from sqlalchemy import text

from groundwork.catalog.session import run
from groundwork.model.errors import ConfigError
from groundwork.operators.row_check import CheckRowsOperator, SaveRowsOperator
from groundwork.store.audit import AuditTrail
from tests.operators.fix_guardian import Place

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_STRATEGY, _SIGNAL = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
_DECISION = "00000000-0000-4000-8000-000000000003"
GOOD: dict[str, Any] = {
    "order_id": "00000000-0000-4000-8000-0000000000aa",
    "strategy_id": _STRATEGY,
    "signal_id": _SIGNAL,
    "ticker": "IBM",
    "side": "buy",
    "quantity": 100,
    "limit_price": 182.5,
    "status": "open",
    "placed_at": "2005-03-01T14:30:00Z",
}
BAD = {
    **GOOD,
    "order_id": "00000000-0000-4000-8000-0000000000ab",
    "side": "Buy",
    "quantity": 0,
    "limit_price": "182,50",
}


@pytest.fixture
def orders(place: Place) -> Place:
    """The market's tables with one strategy, one price and one signal."""
    place.make_tables()
    with place.warehouse.begin() as connection:
        run(
            connection,
            f"INSERT INTO market.strategies (strategy_id, name, priority) VALUES ('{_STRATEGY}', 'trend', 1)",
        )
        run(
            connection,
            "INSERT INTO market.stock_prices VALUES ('IBM', '2005-03-01', 90, 92, 89, 91, 91, 5000)",
        )
        run(
            connection,
            "INSERT INTO market.trading_signals"
            " (signal_id, strategy_id, ticker, signal_date, action, strength, indicators, decision_id)"
            f" VALUES ('{_SIGNAL}', '{_STRATEGY}', 'IBM', '2005-03-01', 'buy', 0.5, '{{}}', '{_DECISION}')",
        )
    return place


def _check(**options: Any) -> CheckRowsOperator:
    return CheckRowsOperator(task_id="check_orders", domain="market", table="orders", **options)


def _save(**options: Any) -> SaveRowsOperator:
    return SaveRowsOperator(task_id="save_orders", domain="market", table="orders", **options)


def _count(place: Place) -> int:
    with place.warehouse.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM market.orders")).scalar_one())


def test_a_good_order_passes_and_is_saved(orders: Place) -> None:
    checked = orders.execute(_check(rows=[GOOD]))
    assert (checked["is_good"], checked["rows"]) == (True, 1)
    assert [each["what"] for each in checked["not_checked"]] == ["the last load is at most 7 d old"]
    assert _count(orders) == 0  # checking writes nothing
    saved = orders.execute(_save(rows=[GOOD]))
    assert (saved["is_saved"], saved["written"], _count(orders)) == (True, 1, 1)
    events = AuditTrail(orders.store).latest(limit=5)
    assert [event["actor"] for event in events] == ["airflow:test_dag/manual__2026-01-01T00:00:00+00:00/save_orders"]


def test_a_bad_order_is_told_all_its_errors_with_a_fix(orders: Place) -> None:
    with pytest.raises(AirflowFailException, match="3 errors in 1 of 1 rows for market"):
        orders.execute(_check(rows=[BAD]))
    found = orders.execute(_check(rows=[BAD], must_be_good="False"))
    errors = {error["column"]: error for error in found["errors"]}
    assert set(errors) == {"side", "quantity", "limit_price"}
    assert errors["side"]["corrected"] == "buy"
    assert all(error["suggestion"] for error in errors.values())


def test_nothing_of_a_batch_with_a_bad_order_is_saved(orders: Place) -> None:
    with pytest.raises(AirflowFailException, match="nothing was saved"):
        orders.execute(_save(rows=[GOOD, BAD]))
    assert _count(orders) == 0


def test_an_order_of_nobody_and_one_that_is_there_are_refused(orders: Place) -> None:
    stranger = {**GOOD, "signal_id": "00000000-0000-4000-8000-0000000000ff"}
    with pytest.raises(AirflowFailException, match="signal_id"):
        orders.execute(_save(rows=[stranger]))
    orders.execute(_save(rows=[GOOD]))
    with pytest.raises(AirflowFailException, match="order_id"):
        orders.execute(_save(rows=[GOOD]))
    again = orders.execute(_save(rows=[{**GOOD, "status": "filled"}], mode="upsert"))
    assert (again["written"], _count(orders)) == (1, 1)


def test_rows_come_as_a_file_or_as_rendered_json(orders: Place) -> None:
    (orders.project / "orders.jsonl").write_text(json.dumps(GOOD) + "\n", encoding="utf-8")
    assert orders.execute(_check(path="orders.jsonl"))["format"] == "jsonl"
    assert orders.execute(_check(rows=json.dumps([GOOD])))["rows"] == 1
    offline = orders.execute(_check(path="orders.jsonl", offline="true"))
    assert len(offline["not_checked"]) > 1  # the references too


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "rows come from one place"),
        ({"path": "a.csv", "rows": [GOOD]}, "rows come from one place"),
        ({"path": "nowhere.csv"}, "there is no such file"),
        ({"rows": "[]", "file_format": "xml"}, "there is no such format"),
        ({"rows": [GOOD], "mode": "replace"}, "there is no such mode"),
        ({"rows": [GOOD], "offline": True}, "cannot be saved without the database"),
    ],
)
def test_what_makes_no_sense_is_refused(place: Place, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        place.execute(_save(**options))
