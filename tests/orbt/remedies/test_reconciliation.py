"""The table against its source: told with counts; only what is merely missing is loaded, by the ordinary load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from groundwork.flow.loads.load import load_table
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import Limits, RemedyRefusedError
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import Shop, make_shop

pytestmark = pytest.mark.postgres
NAME = "reconcile_data"
ROWS = "".join(f"{n},{n % 5 + 1},c{n},{n}.50,2026-01-0{n}T00:00:00Z,null\n" for n in range(1, 9))


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    found = make_shop(database.engine, tmp_path)
    (tmp_path / "orders.csv").write_text(f"id,customer_id,code,amount,written_at,payload\n{ROWS}")
    found.sql("DELETE FROM shop.lines", "DELETE FROM shop.orders")
    books = load_table(found.engine, found.domain, found.table("orders"), project=tmp_path, run_id="first")
    assert books.loaded == 8
    return found


def test_what_is_only_missing_comes_by_the_ordinary_load(shop: Shop) -> None:
    before = shop.image()
    shop.sql("DELETE FROM shop.orders WHERE id IN (2, 3)")
    assert remedy(NAME).plan(shop.scene())[1] == "load what is only missing"
    journal = shop.apply(NAME)
    assert "of 8 rows 2 missing, 0 different; 0 rows that the source does not have" in journal.report
    assert "now shop.orders agrees with its source" in journal.report
    assert [change.what for change in journal.changes] == ["load 2 missing records of shop.orders by the ordinary load"]
    assert shop.image() == before
    assert "nothing to undo" in shop.undo(NAME, journal)[0]


def test_rows_that_differ_are_told_and_left(shop: Shop) -> None:
    shop.sql("DELETE FROM shop.orders WHERE id = 2", "UPDATE shop.orders SET amount = 99 WHERE id = 3")
    shop.sql("INSERT INTO shop.orders VALUES (77, 1, 'by hand', 1, NULL, NULL)")
    before = shop.image()
    journal = shop.apply(NAME)
    assert "1 missing, 1 different; 1 rows that the source does not have" in journal.report
    assert "nothing was loaded: a load would also change the 1 rows that differ" in journal.report
    assert (shop.image(), journal.changes) == (before, [])


def test_limits_policy_and_suites_keep_it_from_loading(shop: Shop) -> None:
    shop.sql("DELETE FROM shop.orders WHERE id IN (2, 3)")
    before = shop.image()
    few = Limits(seconds=60, rows=1, blast_radius="one row")
    assert "2 are missing, more than 1" in shop.apply(NAME, shop.scene(limits=few)).report
    assert "policy says so" in shop.apply(NAME, shop.scene(settings={"load_missing": False})).report
    folder = shop.project / "expectations"
    folder.mkdir()
    suite = {"meta": {"domain": "shop", "table": "orders", "stage": "before_load"}, "expectations": []}
    (folder / "orders.json").write_text(json.dumps(suite))
    assert "a suite judges waiting rows first" in shop.apply(NAME).report
    assert shop.image() == before


def test_a_table_without_a_source_or_with_a_source_that_is_away_is_refused(shop: Shop) -> None:
    with pytest.raises(RemedyRefusedError, match="does not say where the rows"):
        shop.apply(NAME, shop.scene("shop.lines"))
    (shop.project / "orders.csv").unlink()
    with pytest.raises(RemedyRefusedError, match=r"orders\.csv"):
        shop.apply(NAME)
