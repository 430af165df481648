"""Rows without a parent leave with what refers to them, and come back exactly, whatever constraints hold by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import RemedyRefusedError
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import Shop, make_shop

pytestmark = pytest.mark.postgres
NAME = "clean_orphans"
NO_KEY = "ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_id_fkey"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    return make_shop(database.engine, tmp_path)


def test_orphans_leave_with_their_children_and_come_back(shop: Shop) -> None:
    shop.sql(NO_KEY, "DELETE FROM shop.customers WHERE id = 3")
    before, constraints = shop.image(), shop.constraints()
    assert remedy(NAME).plan(shop.scene()) == ("shop.orders: 1 break references:customer_id (id=3); to quarantine",)
    journal = shop.apply(NAME)
    assert [(table, raw["id"]) for table, _, raw in shop.held()] == [("lines", "2"), ("lines", "7"), ("orders", "3")]
    assert shop.constraints() == constraints, "it makes no constraint"
    with pytest.raises(RemedyRefusedError, match="every reference"):
        shop.apply(NAME)
    shop.undo(NAME, journal)
    assert (shop.image(), shop.constraints(), shop.held()) == (before, constraints, [])


def test_orphans_come_back_past_a_key_that_was_not_valid_and_still_is_not(shop: Shop) -> None:
    shop.sql(
        NO_KEY,
        "DELETE FROM shop.customers WHERE id = 3",
        "ALTER TABLE shop.orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) "
        "REFERENCES shop.customers NOT VALID",
    )
    before, constraints = shop.image(), shop.constraints()
    journal = shop.apply(NAME)
    shop.undo(NAME, journal)
    assert (shop.image(), shop.constraints()) == (before, constraints)
    journal = shop.apply(NAME)
    shop.sql("ALTER TABLE shop.orders VALIDATE CONSTRAINT orders_customer_id_fkey")
    after = shop.image()
    with pytest.raises(RemedyRefusedError, match="validated meanwhile"):
        shop.undo(NAME, journal)
    assert shop.image() == after


def test_a_parent_table_without_rows_is_what_is_broken(shop: Shop) -> None:
    shop.sql(NO_KEY, "DELETE FROM shop.customers")
    before = shop.image()
    with pytest.raises(RemedyRefusedError, match=r"shop\.customers is empty"):
        shop.apply(NAME)
    assert shop.image() == before


def test_more_than_half_of_a_table_are_no_orphans(shop: Shop) -> None:
    shop.sql(NO_KEY, "DELETE FROM shop.customers WHERE id > 1")
    before = shop.image()
    with pytest.raises(RemedyRefusedError, match="4 of 5 rows"):
        shop.apply(NAME)
    assert shop.image() == before


def test_rows_of_a_partitioned_table_leave_from_every_partition(shop: Shop) -> None:
    shop.sql(
        "DROP TABLE shop.lines",
        "CREATE TABLE shop.lines (id bigint NOT NULL, order_id bigint, item text) PARTITION BY RANGE (id)",
        "CREATE TABLE shop.lines_low PARTITION OF shop.lines FOR VALUES FROM (0) TO (10)",
        "CREATE TABLE shop.lines_high PARTITION OF shop.lines FOR VALUES FROM (10) TO (100)",
        "INSERT INTO shop.lines SELECT n, 1 + n % 5, E'tab\\t\"quote\" ' || n FROM generate_series(1, 20) AS n",
        "UPDATE shop.lines SET order_id = 77 WHERE id IN (4, 14)",
    )
    before = shop.image()
    journal = shop.apply(NAME, shop.scene("shop.lines"))
    assert [raw["item"] for _, _, raw in shop.held()] == ['tab\t"quote" 14', 'tab\t"quote" 4']
    shop.undo(NAME, journal)
    assert shop.image() == before
    assert shop.rows("SELECT tableoid::regclass::text FROM shop.lines WHERE order_id = 77 ORDER BY id") == [
        ("shop.lines_low",),
        ("shop.lines_high",),
    ]
