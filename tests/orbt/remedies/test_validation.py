"""What breaks the contract is counted and shown masked; what is left for a person is told with the commands to use."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from groundwork.model.errors import DataQualityError
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import RemedyRefusedError
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import Shop, make_shop

pytestmark = pytest.mark.postgres


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    return make_shop(database.engine, tmp_path)


def test_every_broken_rule_is_counted_and_nothing_changes(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey, DROP CONSTRAINT amount_positive",
        "ALTER TABLE shop.orders ALTER amount DROP NOT NULL",
        "INSERT INTO shop.orders VALUES (1, 2, 'twice', 0, NULL, NULL), (7, 2, 'none', NULL, NULL, NULL)",
    )
    before = shop.image()
    told = shop.apply("validate_data").report
    assert told.startswith("shop.orders: of 7 rows ")
    assert "2 break unique:id (id=1; id=1)" in told
    assert "1 break not_null:amount (id=7)" in told
    assert "1 break expression:amount (id=1)" in told
    assert shop.image() == before
    capped = shop.scene(settings={"counted_rows": 1})
    assert "more than 1 break unique" in shop.apply("validate_data", capped).report


def test_a_table_that_is_right_is_told_so_and_guarded_keys_are_masked(shop: Shop) -> None:
    assert "of 5 rows all hold" in shop.apply("validate_data").report
    path = shop.project / "governance/contracts/shop/shop.odcs.yaml"
    path.write_text(path.read_text().replace("classification: public", "classification: restricted"))
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 4"
    )
    told = shop.apply("validate_data").report
    assert "(id=•••)" in told
    assert "4" not in told


def test_the_table_is_known_from_what_the_server_says(shop: Shop) -> None:
    with pytest.raises(IntegrityError) as failed, shop.engine.begin() as connection:
        connection.execute(text("INSERT INTO shop.lines VALUES (99, 99, 'x')"))
    scene = shop.scene("shop.customers", error=failed.value)
    assert shop.apply("validate_data", scene).report.startswith("shop.lines:")
    broken = DataQualityError("too many broken records", where="shop.orders, load 7")
    assert shop.apply("validate_data", shop.scene(None, error=broken)).report.startswith("shop.orders:")


def test_the_server_s_word_for_a_partition_means_the_whole(shop: Shop) -> None:
    shop.sql(
        "DROP TABLE shop.lines",
        "CREATE TABLE shop.lines (id bigint, order_id bigint, item text NOT NULL) PARTITION BY RANGE (id)",
        "CREATE TABLE shop.part_of_lines PARTITION OF shop.lines DEFAULT",
    )
    with pytest.raises(IntegrityError) as failed, shop.engine.begin() as connection:
        connection.execute(text("INSERT INTO shop.lines VALUES (99, 1, NULL)"))
    assert shop.apply("validate_data", shop.scene(None, error=failed.value)).report.startswith("shop.lines:")


def test_two_domains_with_one_table_are_no_proof(shop: Shop) -> None:
    other = shop.project / "governance/contracts/other"
    other.mkdir()
    text_of = (shop.project / "governance/contracts/shop/shop.odcs.yaml").read_text()
    (other / "shop.odcs.yaml").write_text(text_of.replace("domain: shop", "domain: other"))
    with pytest.raises(RemedyRefusedError, match="several domains have a table"):
        shop.apply("validate_data")


def test_a_person_is_asked_with_what_helps_to_begin(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 4"
    )
    journal = shop.apply("ask_for_correction")
    (asked,) = journal.asked
    assert asked.startswith("correct shop.orders by hand: 1 break expression:amount (id=4); ")
    assert "groundwork remedies plan repair_constraints --table shop.orders" in asked
    shop.apply("repair_constraints")
    (asked,) = shop.apply("ask_for_correction").asked
    assert "1 rows are held in quarantine" in asked
    assert "groundwork quarantine export shop.orders" in asked
    assert remedy("ask_for_correction").plan(shop.scene()) == (f"ask a person: {asked}",)
