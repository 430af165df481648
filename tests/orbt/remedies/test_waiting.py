"""A load that waits for ever because of rows that became orphans goes on after the repair, with books that balance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import Limits, RemedyRefusedError
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import Shop, make_shop

pytestmark = pytest.mark.postgres
NAME = "repair_constraints"
ROWS = "".join(f"{n},{n % 5 + 1},d{n},{n}.50,2026-02-01T00:00:00Z,\n" for n in range(11, 21))


class InterruptedLoadError(Exception):
    """The process of a load died."""


def load(shop: Shop, **options: Any) -> LoadResult:
    return load_table(shop.engine, shop.domain, shop.table("orders"), project=shop.project, run_id="r1", **options)


def die(_: Any) -> None:
    raise InterruptedLoadError


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    """Ten orders wait; two of them are of a customer who is gone by now, and publishing them fails."""
    found = make_shop(database.engine, tmp_path)
    (tmp_path / "orders.csv").write_text(f"id,customer_id,code,amount,written_at,payload\n{ROWS}")
    with pytest.raises(InterruptedLoadError):
        load(found, before_publish=die)
    found.sql("DELETE FROM shop.lines WHERE order_id = 5", "DELETE FROM shop.orders WHERE customer_id = 5")
    found.sql("DELETE FROM shop.customers WHERE id = 5")
    with pytest.raises(IntegrityError):
        load(found)
    return found


def waiting(shop: Shop) -> list[Any]:
    (name,) = shop.rows("SELECT relname FROM pg_class WHERE relname ~ '^staged_' AND relkind = 'r'")[0]
    return shop.rows(f"SELECT held::text FROM groundwork_flow.{name} AS held ORDER BY 1")


def test_the_load_goes_on_without_the_rows_that_became_orphans(shop: Shop) -> None:
    assert "reject 2 waiting rows of a load of shop.orders" in remedy(NAME).plan(shop.scene())
    journal = shop.apply(NAME)
    assert "2 waiting rows of shop.orders go to quarantine with the next try of their load" in journal.report
    books = load(shop)
    assert (books.read, books.loaded, books.quarantined, books.is_balanced) == (10, 8, 2, True)
    assert [(rules, raw["id"], raw["amount"]) for _, rules, raw in shop.held()] == [
        (["references"], "14", "14.50"),
        (["references"], "19", "19.50"),
    ]
    positions = shop.rows("SELECT position, source FROM groundwork_flow.quarantine ORDER BY 1")
    assert [row[0] for row in positions] == [4, 9]
    assert {row[1] for row in positions} == {books.source}
    assert shop.undo(NAME, journal) == ["none of the rows is among the rejected any more"]


def test_rejected_rows_wait_again(shop: Shop) -> None:
    before = waiting(shop)
    journal = shop.apply(NAME)
    assert len(waiting(shop)) == 8
    assert shop.rows("SELECT rejected FROM groundwork_flow.staged") == [(2,)]
    assert shop.undo(NAME, journal) == ["2 rows wait again"]
    assert waiting(shop) == before
    assert shop.rows("SELECT rejected FROM groundwork_flow.staged") == [(0,)]
    shop.sql("INSERT INTO shop.customers VALUES (5, 'back')")
    assert load(shop).loaded == 10


def test_more_waiting_rows_than_the_limit_stay(shop: Shop) -> None:
    before = waiting(shop)
    with pytest.raises(RemedyRefusedError, match=r"2 waiting rows of shop\.orders break its contract, more than 1"):
        shop.apply(NAME, shop.scene(limits=Limits(seconds=60, rows=1, blast_radius="one row")))
    assert waiting(shop) == before
