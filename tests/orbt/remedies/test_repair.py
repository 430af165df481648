"""Rows that break declared constraints go to quarantine whole and come back byte for byte; nothing is ever deleted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml
from sqlalchemy.exc import DBAPIError

from groundwork.flow.quarantine.replay import replay_quarantine
from groundwork.flow.quarantine.replay_source import Corrections
from groundwork.flow.reconciliation.last_load import last_load
from groundwork.orbt.remedies.catalogue import remedy
from groundwork.orbt.remedies.remedy import Limits, RemedyRefusedError
from tests.fix_postgres import Database
from tests.orbt.remedies.shop import ListJournal, Shop, make_shop
from tests.patience import PATIENCE_SECONDS, until

pytestmark = pytest.mark.postgres
NAME = "repair_constraints"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    return make_shop(database.engine, tmp_path)


def test_rows_that_break_a_missing_check_leave_and_the_check_holds(shop: Shop) -> None:
    whole = shop.constraints()
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = -1 WHERE id = 5"
    )
    shop.sql("DELETE FROM shop.lines WHERE order_id = 5")
    before, constraints = shop.image(), shop.constraints()
    journal = shop.apply(NAME)
    assert "moved to quarantine: 1 of shop.orders" in journal.report
    assert shop.constraints() == whole
    assert shop.held() == [
        (
            "orders",
            ["expression"],
            {
                "id": "5",
                "customer_id": "5",
                "code": "c5",
                "amount": "-1",
                "written_at": "2026-01-06 00:00:00+00",
                "payload": '{"b": 1,  "a": [1, 2]}',
            },
        )
    ]
    assert shop.image("lines", "customers").items() <= before.items()
    with shop.engine.begin() as connection:
        assert last_load(connection, "shop", "orders") is None, "the books of a repair are those of no load"
    assert "back from quarantine: 1 of shop.orders" in shop.undo(NAME, journal)[0]
    assert (shop.image(), shop.constraints()) == (before, constraints)
    assert shop.held() == []
    assert "back already" in shop.undo(NAME, journal)[0]
    assert (shop.image(), shop.constraints()) == (before, constraints)


def test_every_kind_of_constraint_at_once_is_undone_exactly(shop: Shop) -> None:
    whole = shop.constraints()
    shop.sql(
        "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey, DROP CONSTRAINT orders_code, "
        "DROP CONSTRAINT orders_customer_id_fkey, DROP CONSTRAINT amount_positive",
        "ALTER TABLE shop.orders ALTER amount DROP NOT NULL, ALTER id DROP NOT NULL",
        "INSERT INTO shop.orders SELECT n, n % 5 + 1, 'd' || n, 1, now(), NULL FROM generate_series(11, 40) AS n",
        "INSERT INTO shop.orders VALUES (1, 1, 'older of 1', 1, '2020-01-01Z', NULL)",  # key twice: the newest stays
        "INSERT INTO shop.orders VALUES (6, 1, 'c2', 1, '2019-01-01Z', '[]')",  # code twice
        "INSERT INTO shop.orders VALUES (7, 99, 'orphan', 1, NULL, '{}')",
        "INSERT INTO shop.orders VALUES (8, 1, 'no amount', NULL, NULL, NULL)",
        "INSERT INTO shop.orders VALUES (NULL, 1, 'no key', 1, NULL, NULL)",
        "INSERT INTO shop.orders VALUES (2, 1, 'newest of 2, wrong', -5, '2030-01-01Z', NULL)",
        "ALTER TABLE shop.orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) "
        "REFERENCES shop.customers NOT VALID",
        "ALTER TABLE shop.orders ADD CONSTRAINT amount_positive CHECK (amount > 0) NOT VALID",
    )
    before, constraints = shop.image(), shop.constraints()
    journal = shop.apply(NAME)
    assert {(rules[0], raw["code"]) for _, rules, raw in shop.held()} == {
        ("unique", "older of 1"),
        ("unique", "c2"),
        ("references", "orphan"),
        ("not_null", "no amount"),
        ("not_null", "no key"),
        ("expression", "newest of 2, wrong"),
    }
    missing = {row for row in whole if row[0] == "shop.lines" and "FOREIGN KEY" in row[1]}
    assert shop.constraints() >= whole - missing
    assert [row[0] for row in shop.rows("SELECT id FROM shop.orders WHERE id < 10 ORDER BY 1")] == [1, 2, 3, 4, 5]
    shop.undo(NAME, journal)
    assert (shop.image(), shop.constraints()) == (before, constraints)


def test_children_go_with_their_parents_and_come_back_after_them(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 2"
    )
    before = shop.image()
    journal = shop.apply(NAME)
    assert [(table, rules) for table, rules, _ in shop.held()] == [
        ("lines", ["references"]),
        ("lines", ["references"]),
        ("orders", ["expression"]),
    ]
    assert shop.rows("SELECT count(*) FROM shop.lines") == [(8,)]
    shop.undo(NAME, journal)
    assert shop.image() == before


def test_rows_of_a_table_that_nobody_declared_keep_everything_in_place(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive",
        "UPDATE shop.orders SET amount = 0 WHERE id = 2",
        "CREATE TABLE shop.notes (order_id bigint REFERENCES shop.orders ON DELETE CASCADE)",
        "INSERT INTO shop.notes VALUES (2)",
    )
    before, constraints = shop.image("customers", "orders", "lines", "notes"), shop.constraints()
    with pytest.raises(RemedyRefusedError, match=r"shop\.notes, which no contract declares"):
        shop.apply(NAME)
    assert (shop.image("customers", "orders", "lines", "notes"), shop.constraints()) == (before, constraints)


def test_the_limits_hold(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive",
        "INSERT INTO shop.orders SELECT n, 1, 'd' || n, -1, NULL, NULL FROM generate_series(11, 14) AS n",
    )
    before, constraints = shop.image(), shop.constraints()
    few = Limits(seconds=60, rows=3, blast_radius="three rows")
    journal = ListJournal()
    with pytest.raises(RemedyRefusedError, match="more than 3 rows"):
        remedy(NAME).apply(shop.scene(limits=few), journal)
    with pytest.raises(RemedyRefusedError, match="4 of 9 rows"):
        remedy(NAME).apply(shop.scene(settings={"most_share": 0.2}), journal)
    assert journal.changes == []
    assert (shop.image(), shop.constraints()) == (before, constraints)
    assert "4 break expression" in remedy(NAME).plan(shop.scene())[0]


def test_rows_of_a_key_that_nobody_can_rank_are_left_to_a_person(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT orders_code",
        "INSERT INTO shop.orders SELECT 9, 2, code, 7, written_at, NULL FROM shop.orders WHERE id = 1",
    )
    before = shop.image()
    with pytest.raises(RemedyRefusedError, match=r"1 keys \(code\) have rows that differ"):
        shop.apply(NAME)
    assert shop.image() == before
    shop.sql(
        "UPDATE shop.orders SET written_at = '2031-01-01Z' WHERE id = 9", "DELETE FROM shop.lines WHERE order_id = 1"
    )
    shop.apply(NAME)
    assert [raw["id"] for _, _, raw in shop.held()] == ["1"]


def test_nothing_is_done_where_nothing_is_wrong_or_the_table_is_not_ours(shop: Shop) -> None:
    with pytest.raises(RemedyRefusedError, match=r"no row of shop\.orders breaks a constraint"):
        shop.apply(NAME)
    with pytest.raises(RemedyRefusedError, match="no contract declares"):
        shop.apply(NAME, shop.scene("shop.nowhere"))
    with pytest.raises(RemedyRefusedError, match="says which table"):
        shop.apply(NAME, shop.scene(None))
    shop.sql("ALTER TABLE shop.orders DROP COLUMN payload")
    with pytest.raises(RemedyRefusedError, match=r"right database.*lacks payload"):
        shop.apply(NAME)


def test_a_large_table_is_not_closed_to_readers(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 2"
    )
    constraints = shop.constraints()
    journal = shop.apply(NAME, shop.scene(settings={"most_bytes": 1000}))
    assert "generate-migration" in journal.report
    assert shop.constraints() == constraints
    assert len(shop.held()) == 3


def test_a_session_that_dies_in_the_middle_moves_nothing(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive",
        "UPDATE shop.orders SET amount = 0 WHERE id = 2",
        "CREATE FUNCTION shop.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(600); RETURN OLD; END $$",
        "CREATE TRIGGER wait BEFORE DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.wait()",
    )
    before, constraints = shop.image(), shop.constraints()
    journal, raised = ListJournal(), list[BaseException]()

    def act() -> None:
        try:
            remedy(NAME).apply(shop.scene(), journal)
        except DBAPIError as error:
            raised.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    ended = until(
        lambda: shop.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event = 'PgSleep' AND datname = current_database()"
        ),
        "the middle",
    )
    thread.join(PATIENCE_SECONDS)
    assert (ended, len(raised)) == ([(True,)], 1)
    assert len(journal.changes) == 1, "it was told before it was done"
    assert shop.undo(NAME, journal) == ["no row had been moved"]
    assert (shop.image(), shop.constraints()) == (before, constraints)


def test_a_trigger_that_keeps_a_row_stops_the_move(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive",
        "UPDATE shop.orders SET amount = 0 WHERE id = 2",
        "CREATE FUNCTION shop.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER keep BEFORE DELETE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.keep()",
    )
    before = shop.image()
    with pytest.raises(RemedyRefusedError, match="not every row left"):
        shop.apply(NAME)
    assert shop.image() == before
    assert shop.rows("SELECT to_regclass('groundwork_flow.quarantine')") == [(None,)]


def test_rows_do_not_come_back_over_what_happened_since(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 2"
    )
    shop.sql("DELETE FROM shop.lines WHERE order_id = 2")
    journal = shop.apply(NAME)
    shop.sql("INSERT INTO shop.orders VALUES (2, 2, 'again', 5, NULL, NULL)")
    after, constraints = shop.image(), shop.constraints()
    with pytest.raises(RemedyRefusedError, match="keys of withdrawn rows are taken"):
        shop.undo(NAME, journal)
    assert (shop.image(), shop.constraints(), len(shop.held())) == (after, constraints, 1)


def test_moved_rows_are_replayed_like_any_other(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 2"
    )
    shop.sql("DELETE FROM shop.lines WHERE order_id = 2")
    journal = shop.apply(NAME)
    result = replay_quarantine(
        shop.engine,
        shop.domain,
        shop.table("orders"),
        project=shop.project,
        corrections=Corrections(for_all={"amount": "3.25"}),
    )
    assert (result.selected, result.replayed) == (1, 1)
    found = shop.rows("SELECT id, code, amount::text, written_at::text, payload::text FROM shop.orders WHERE id = 2")
    assert found == [(2, "c2", "3.25", "2026-01-03 00:00:00+00", '{"b": 1,  "a": [1, 2]}')]
    with pytest.raises(RemedyRefusedError, match=r"settled meanwhile.*1 replayed"):
        shop.undo(NAME, journal)


def test_a_load_under_way_is_not_disturbed(shop: Shop) -> None:
    from groundwork.flow.loads.session import load_session

    shop.sql(
        "ALTER TABLE shop.orders DROP CONSTRAINT amount_positive", "UPDATE shop.orders SET amount = 0 WHERE id = 2"
    )
    with load_session(shop.engine, "shop.orders"), pytest.raises(RemedyRefusedError, match="under way"):
        shop.apply(NAME)
    assert len(shop.rows("SELECT 1 FROM shop.orders")) == 5


def test_values_of_every_type_come_back_whatever_the_settings_of_the_database_are(
    shop: Shop, database: Database
) -> None:
    shop.sql(
        f"ALTER DATABASE {database.name} SET timezone = 'America/New_York'",
        f"ALTER DATABASE {database.name} SET datestyle = 'SQL, DMY'",
        f"ALTER DATABASE {database.name} SET intervalstyle = 'sql_standard'",
        f"ALTER DATABASE {database.name} SET bytea_output = 'escape'",
        f"ALTER DATABASE {database.name} SET extra_float_digits = -10",
        "CREATE TYPE shop.color AS ENUM ('red', 'odd ''green')",
        "CREATE TYPE shop.pair AS (a int, b text)",
        "ALTER TABLE shop.lines ADD number bigint GENERATED ALWAYS AS IDENTITY, "
        "ADD doubled bigint GENERATED ALWAYS AS (id * 2) STORED, ADD at timestamptz, ADD day date, ADD span interval, "
        "ADD size float8, ADD small real, ADD bytes bytea, ADD padded char(6), ADD list text[], ADD grid int[][], "
        'ADD "Odd ""name" shop.color, ADD pair shop.pair, ADD range tstzrange, ADD document jsonb, '
        "ADD exact numeric, ADD bits bit(5), ADD place point, ADD money money, ADD net inet, ADD search tsvector",
        r"""UPDATE shop.lines SET at = '2026-03-29 01:59:59.123456+01', day = '-infinity',
        span = '-1 mon 2 days -00:00:01.5', size = 0.1::float8 + 0.2::float8, small = 'NaN', bytes = '\x00ff5c27',
        padded = 'ab', list = '{"a,b",NULL,"","\""}', grid = '[2:3][0:1]={{1,2},{3,NULL}}',
        "Odd ""name" = 'odd ''green', pair = '(7,"x, \"y\"")',
        range = '[2026-01-01 00:00+00,)', document = '{"b": 1.50, "a": null}', exact = '1.500', bits = B'10110',
        place = '(0.1,1e300)', money = '-1234.56', net = '10.0.0.1/8', search = 'a:1A b:2'""",
        "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
        "UPDATE shop.lines SET order_id = 99 WHERE id IN (3, 4)",
    )
    shop.engine.dispose()

    def digest() -> str:
        with shop.engine.connect() as connection:
            connection.exec_driver_sql("SET extra_float_digits = 3; SET timezone = 'UTC'; SET bytea_output = 'hex'")
            query = "SELECT md5(string_agg(held::text, '|' ORDER BY id)) FROM shop.lines AS held"
            return str(connection.exec_driver_sql(query).scalar_one())

    before = digest()
    journal = shop.apply(NAME, shop.scene("shop.lines"))
    assert digest() != before
    assert [raw["size"] for _, _, raw in shop.held()] == ["0.30000000000000004"] * 2
    shop.undo(NAME, journal)
    assert digest() == before
    assert shop.rows("SELECT number, doubled FROM shop.lines WHERE id = 3") == [(3, 6)]


def test_a_not_null_that_was_not_valid_is_so_again(shop: Shop) -> None:
    if shop.rows("SELECT current_setting('server_version_num')::int < 180000") == [(True,)]:
        pytest.skip("PostgreSQL before 18 has no NOT NULL that is not valid")
    shop.sql(
        "ALTER TABLE shop.orders ALTER amount DROP NOT NULL",
        "UPDATE shop.orders SET amount = NULL WHERE id = 2",
        "ALTER TABLE shop.orders ADD CONSTRAINT needs_amount NOT NULL amount NOT VALID",
    )
    before, constraints = shop.image(), shop.constraints()
    journal = shop.apply(NAME)
    assert ("shop.orders", "NOT NULL amount", True) in shop.constraints()
    shop.undo(NAME, journal)
    assert (shop.image(), shop.constraints()) == (before, constraints)


def test_a_unique_index_is_about_the_rows_of_its_condition(shop: Shop) -> None:
    path = shop.project / "governance/contracts/shop/shop.odcs.yaml"
    document = yaml.safe_load(path.read_text())
    index = {"name": "one_item", "columns": ["item"], "unique": True, "where": "order_id > 1", "reason": "a test"}
    document["schema"][2]["customProperties"] = [{"property": "indexes", "value": [index]}]
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    shop.sql("UPDATE shop.lines SET item = 'same' WHERE id IN (5, 10)")  # both of order 1
    with pytest.raises(RemedyRefusedError, match="no row"):
        shop.apply(NAME, shop.scene("shop.lines"))
