"""What somebody changes by hand is found exactly, and the foundation mends what can be mended safely."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from tests.fix_demo import Demonstrated

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def warehouse(demonstrated: Demonstrated) -> Iterator[Engine]:
    engine = demonstrated.warehouse()
    yield engine
    engine.dispose()


def by_hand(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_after_the_demo_there_is_no_difference(demonstrated: Demonstrated) -> None:
    code, document = demonstrated.compare()
    assert code == 0
    assert document["changes"] == []


@pytest.mark.parametrize(
    ("break_it", "mend_it", "expected"),
    [
        (
            ["DROP INDEX market.orders_signal_id_idx"],
            ["CREATE INDEX orders_signal_id_idx ON market.orders (signal_id)"],
            ("orders", "index", "orders_signal_id_idx"),
        ),
        (
            ["DROP VIEW market_access.orders", "ALTER TABLE market.orders ALTER COLUMN limit_price TYPE numeric(16,4)"],
            ["ALTER TABLE market.orders ALTER COLUMN limit_price TYPE numeric(14,4)"],
            ("orders", "column type", "limit_price"),
        ),
        (
            ["ALTER TABLE market.orders ADD COLUMN broker text"],
            ["ALTER TABLE market.orders DROP COLUMN broker"],
            ("orders", "column", "broker"),
        ),
    ],
    ids=["an index dropped", "a type changed", "a column added"],
)
def test_each_change_by_hand_is_the_whole_difference(
    demonstrated: Demonstrated,
    warehouse: Engine,
    break_it: list[str],
    mend_it: list[str],
    expected: tuple[str, str, str],
) -> None:
    by_hand(warehouse, *break_it)
    try:
        code, document = demonstrated.compare()
    finally:
        by_hand(warehouse, *mend_it)
    assert code == 1
    (change,) = document["changes"]
    assert (change["table"].rpartition(".")[2], change["object_type"], change["name"]) == expected
    assert demonstrated.compare()[0] == 0


def test_the_demo_notices_a_dropped_index_brings_it_back_and_loads_nothing_twice(
    demonstrated: Demonstrated, warehouse: Engine
) -> None:
    before = demonstrated.rows()
    by_hand(warehouse, "DROP INDEX market.strategies_priority_idx")
    again = demonstrated.stack.run_demo()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "nothing to do" not in again.stdout
    assert " 0 loaded + 0 updated + " in again.stdout
    assert demonstrated.rows() == before
    assert demonstrated.compare()[0] == 0
