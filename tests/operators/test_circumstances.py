"""Where a task failed is told as far as the task knows it, and never costs the strike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from groundwork.model.fault import Circumstances
from groundwork.operators import connections
from groundwork.operators.retry_policy import StrikePolicy
from groundwork.operators.tries.circumstances import circumstances_of

pytestmark = pytest.mark.airflow


class LoadOrders:
    """A task."""

    connection_id = "shop"
    table = "shop.orders"


def test_a_task_tells_connection_table_and_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SimpleNamespace(dialect=SimpleNamespace(name="mysql"))
    monkeypatch.setattr(connections, "engine", {"shop": engine}.__getitem__)
    found = circumstances_of(SimpleNamespace(task=LoadOrders()), StrikePolicy())
    assert found == Circumstances(engine="mysql", target="shop", table="shop.orders", operation="LoadOrders")
    assert not circumstances_of(SimpleNamespace(task=LoadOrders()), StrikePolicy(), "source:a").is_target_guessed


def test_what_is_not_known_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: str) -> Any:
        raise ConnectionError("the secrets backend is away")

    monkeypatch.setattr(connections, "engine", away)
    assert circumstances_of(SimpleNamespace(), StrikePolicy()) == Circumstances(
        target="warehouse", is_target_guessed=True
    )
    named = circumstances_of(SimpleNamespace(), StrikePolicy(connection_id="warehouse"))
    assert named == Circumstances(target="warehouse")
    table = SimpleNamespace(table=["several", "tables"])
    assert circumstances_of(SimpleNamespace(task=table), StrikePolicy()).table is None
