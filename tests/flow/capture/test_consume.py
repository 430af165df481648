"""A table is kept as its source is, whichever way its changes are captured."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from groundwork.flow.capture import ledger
from groundwork.flow.capture.event import Change
from groundwork.flow.capture.lag import pending, status
from groundwork.model.errors import RetriableError, SkippableError
from tests.flow.capture.shop import Shop
from tests.patience import PATIENCE_SECONDS, until

pytestmark = pytest.mark.postgres
CUSTOMERS = (
    "INSERT INTO origin.customer VALUES (1, 'a@x.org', 'DE', '2024-01-01 10:00+01', '{a,\"b c\"}'), "
    "(2, 'b@x.org', NULL, '2000-02-29 23:59:59.999999+00', NULL)"
)
PURCHASES = "INSERT INTO origin.purchase VALUES (1, 1, 10.5, E'tab\\there\\nand \\\\ there'), (2, 2, 0, NULL)"


@pytest.fixture
def started(shop: Shop) -> Shop:
    shop.run(CUSTOMERS, PURCHASES)
    assert shop.drain().had_snapshot
    assert shop.differences() == []
    return shop


def test_changes_arrive_after_the_rows(started: Shop) -> None:
    started.run(
        "INSERT INTO origin.customer VALUES (3, 'c@x.org', 'FR', now(), '{}')",
        "INSERT INTO origin.purchase VALUES (3, 3, 7, 'x')",
        "UPDATE origin.customer SET mail = 'bb@x.org' WHERE id = 2",
        "DELETE FROM origin.purchase WHERE id = 1",
    )
    done = started.drain()
    assert not done.had_snapshot
    assert (done.changes, done.transactions, done.is_caught_up) == (4, 1, True)
    assert done.books["shop.customers"] == {"read": 2, "loaded": 1, "updated": 1}
    assert done.books["shop.orders"] == {"read": 1, "loaded": 1, "removed": 1}
    assert started.differences() == []
    assert started.drain().changes == 0


def test_keys_that_change_and_tables_that_are_emptied(started: Shop) -> None:
    started.run("UPDATE origin.customer SET mail = NULL")
    started.run("UPDATE origin.customer SET id = id + 10")
    started.run("UPDATE origin.customer SET id = CASE id WHEN 11 THEN 103 ELSE 102 END")
    started.drain()
    assert started.differences() == []
    started.run("TRUNCATE origin.purchase", "INSERT INTO origin.purchase VALUES (9, 103, 1, 'after')")
    started.drain()
    assert started.differences() == []
    assert started.rows("SELECT order_id FROM shop.orders") == [(9,)]


def test_a_unique_value_that_changes_hands(started: Shop) -> None:
    started.run(
        "UPDATE origin.customer SET mail = 'x' WHERE id = 1",
        "UPDATE origin.customer SET mail = 'a@x.org' WHERE id = 2",
        "UPDATE origin.customer SET mail = 'b@x.org' WHERE id = 1",
    )
    done = started.drain()
    assert started.differences() == []
    assert done.books["shop.customers"]["updated"] == 3
    assert "quarantined" not in done.books["shop.customers"]


def test_values_out_of_line_that_did_not_change(started: Shop) -> None:
    long = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) AS n)"
    started.run(f"UPDATE origin.purchase SET note = {long} WHERE id = 1")
    started.drain()
    started.run("UPDATE origin.purchase SET amount = 99 WHERE id = 1")
    started.run("UPDATE origin.purchase SET id = 77, amount = 98 WHERE id = 1")
    started.drain()
    assert started.differences() == []
    assert started.value("SELECT length(note) FROM shop.orders WHERE order_id = 77") == 16_000


def test_a_row_that_breaks_its_contract_is_kept_out_with_its_reasons(started: Shop) -> None:
    started.run(
        "INSERT INTO origin.customer VALUES (5, 'e@x.org', 'XX', 'infinity', NULL), (6, 'f@x.org', 'IT', NULL, NULL)",
        "INSERT INTO origin.purchase VALUES (5, 6, -1, NULL), (6, 5, 1, NULL), (7, 6, 1, NULL)",
    )
    done = started.drain()
    assert done.books["shop.customers"] == {"read": 2, "loaded": 1, "quarantined": 1}
    assert done.books["shop.orders"] == {"read": 3, "loaded": 1, "quarantined": 2}
    kept = started.rows(
        "SELECT table_name, raw ->> 'id', (SELECT array_agg(r ->> 'rule' ORDER BY r ->> 'rule') "
        "FROM jsonb_array_elements(reasons) AS r) FROM groundwork_flow.quarantine ORDER BY 1, 2"
    )
    assert kept == [
        ("customers", "5", ["in_set", "not_finite"]),
        ("orders", "5", ["between"]),
        ("orders", "6", ["references"]),
    ]
    started.run("UPDATE origin.customer SET nation = 'IT', since = NULL WHERE id = 5")
    started.drain()
    assert started.value("SELECT count(*) FROM shop.customers WHERE customer_id = 5") == 1


def test_a_late_committer_keeps_its_place(started: Shop) -> None:
    with started.database.engine.connect() as late, late.begin():
        late.execute(text("INSERT INTO origin.customer VALUES (8, 'late', 'DE', NULL, NULL)"))
        started.run("UPDATE origin.customer SET mail = 'soon' WHERE id = 1")
        assert started.drain().changes == 1  # nobody waits for the open transaction
        late.execute(text("UPDATE origin.customer SET mail = 'last' WHERE id = 1"))
    started.run("UPDATE origin.customer SET mail = 'very last' WHERE id = 8")
    assert started.drain().changes == 3
    assert started.differences() == []
    assert started.value("SELECT email FROM shop.customers WHERE customer_id = 1") == "last"


def test_changes_handed_to_a_function_come_in_order_of_commit(shop: Shop) -> None:
    told: list[Change] = []

    def take(changes: Sequence[Change]) -> None:
        told.extend(changes)

    shop.run(CUSTOMERS)
    shop.drain(handler=take)
    assert told == []  # what is there already is no change
    with shop.database.engine.connect() as first, shop.database.engine.connect() as second:
        first.begin()
        second.begin()
        first.execute(text("UPDATE origin.customer SET mail = 'one' WHERE id = 1"))
        second.execute(text("UPDATE origin.customer SET mail = 'two' WHERE id = 2"))
        first.execute(text("DELETE FROM origin.customer WHERE id = 1"))
        second.commit()
        first.commit()
    shop.drain(handler=take)
    assert [(str(each.operation), (each.after or each.before or {})["id"]) for each in told] == [
        ("update", "2"), ("update", "1"), ("delete", "1"),
    ]  # fmt: skip
    assert [each.number for each in told] == [1, 1, 2]
    assert told[0].committed_at <= told[1].committed_at == told[2].committed_at


def test_a_function_that_fails_gets_the_changes_again(shop: Shop) -> None:
    shop.drain(handler=lambda _: None)
    shop.run(CUSTOMERS)

    def fail(_: Sequence[Change]) -> None:
        raise RetriableError("not now")

    with pytest.raises(RetriableError, match="not now"):
        shop.drain(handler=fail)
    told: list[Change] = []
    shop.drain(handler=told.extend)
    assert len(told) == 2


def test_a_large_transaction_is_one_transaction_here(started: Shop) -> None:
    started.run(
        "INSERT INTO origin.customer SELECT n, 'm' || n, 'DE', now(), NULL FROM generate_series(100, 3100) AS n",
        "UPDATE origin.customer SET nation = 'FR' WHERE id >= 100",
        "DELETE FROM origin.customer WHERE id >= 2000",
    )
    started.run(
        "CREATE TABLE shop.seen (xid xid8 PRIMARY KEY)",
        "CREATE FUNCTION shop.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.seen VALUES "
        "(pg_current_xact_id()) ON CONFLICT DO NOTHING; RETURN NULL; END $$",
        "CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON shop.customers EXECUTE FUNCTION shop.see()",
    )
    done = started.drain(batch_rows=500)
    assert done.transactions == 1
    assert started.differences() == []
    assert started.value("SELECT count(*) FROM shop.seen") == 1
    counts = done.books["shop.customers"]
    parts = ("loaded", "updated", "unchanged", "quarantined", "duplicates")
    assert counts["read"] == sum(counts.get(name, 0) for name in parts)


def test_rows_are_marked_where_that_is_declared(shop: Shop) -> None:
    shop.declare({"delete": "mark", "mark": "gone"}, {"delete": "ignore"})
    shop.run(CUSTOMERS, PURCHASES)
    shop.drain()
    shop.run(
        "DELETE FROM origin.customer WHERE id = 1", "INSERT INTO origin.customer VALUES (3, 'z', NULL, NULL, NULL)"
    )
    shop.drain()
    marks = "SELECT customer_id, gone FROM shop.customers ORDER BY 1"
    assert shop.rows(marks) == [(1, True), (2, False), (3, False)]
    assert shop.value("SELECT count(*) FROM shop.orders") == 2
    shop.run("INSERT INTO origin.customer VALUES (1, 'again', 'DE', NULL, NULL)", "TRUNCATE origin.purchase")
    shop.drain()
    assert shop.rows(marks) == [(1, False), (2, False), (3, False)]


def test_every_change_is_a_row_where_that_is_declared(shop: Shop) -> None:
    shop.run("CREATE TABLE shop.history (at timestamptz, what text, customer_id bigint, email text, number bigint)")
    history = {
        "kind": "stream", "connection": "shop_db", "table": "origin.customer", "apply": "append",
        "columns": {"customer_id": "id", "email": "mail"},
        "facts": {"operation": "what", "committed_at": "at", "number": "number"},
    }  # fmt: skip
    shop.declare_history(history)
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', NULL, NULL, NULL)")
    shop.drain()
    shop.run("UPDATE origin.customer SET mail = 'b'", "DELETE FROM origin.customer")
    shop.drain()
    found = shop.rows("SELECT what, customer_id, number FROM shop.history ORDER BY at, number")
    assert found == [("snapshot", 1, 1), ("update", 1, 1), ("delete", 1, 2)]


def test_only_one_consumer_at_a_time_and_none_when_stopped(started: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    with started.database.engine.begin() as connection:
        ledger.change(connection, started.stream.name, is_wanted=False)
    with pytest.raises(SkippableError, match="stopped"):
        started.drain()
    with started.database.engine.begin() as connection:
        ledger.change(connection, started.stream.name, is_wanted=True)
    end = threading.Event()
    runner = threading.Thread(target=lambda: started.drain(until_caught_up=False, is_stopped=end.is_set))
    runner.start()
    try:
        until(lambda: _state(started) == "running", "the consumer")
        with monkeypatch.context() as hasty:
            hasty.setattr("groundwork.flow.capture.consumer_session._HANDOVER_SECONDS", 0.2)
            with pytest.raises(RetriableError, match="another consumer"):
                started.drain()
    finally:
        end.set()
        runner.join(PATIENCE_SECONDS)
    assert not runner.is_alive()


def _state(shop: Shop) -> str | None:
    found = status(shop.stream.name, shop.url, shop.database.engine)
    return found.state if found else None


def test_the_lag_is_told_in_rows_bytes_and_seconds(started: Shop) -> None:
    name, source, target = started.stream.name, started.url, started.database.engine
    assert pending(name, source, target) is None
    calm = status(name, source, target)
    assert calm is not None
    assert (calm.state, calm.rows_behind, calm.seconds_behind) == ("waiting", 0, 0.0)
    started.run("UPDATE origin.customer SET mail = mail || 'x'")
    started.run("UPDATE origin.purchase SET note = 'x' WHERE id = 1")
    waiting = pending(name, source, target)
    assert waiting is not None
    assert pending(name, source, target) == waiting
    late = status(name, source, target)
    assert late is not None
    assert late.rows_behind == 3
    assert late.bytes_behind is not None
    assert late.bytes_behind > 0
    assert late.seconds_behind is not None
    assert 0 < late.seconds_behind < 3600
    started.drain()
    assert pending(name, source, target) is None


def test_what_concerns_others_is_passed_over(started: Shop) -> None:
    name, source, target = started.stream.name, started.url, started.database.engine
    started.run("CREATE TABLE origin.other (n int)", "INSERT INTO origin.other SELECT generate_series(1, 1000)")
    before = status(name, source, target)
    assert pending(name, source, target) is None
    after = status(name, source, target)
    assert before is not None
    assert after is not None
    assert (after.bytes_behind or 0) <= (before.bytes_behind or 0)
    started.run("UPDATE origin.customer SET mail = 'y' WHERE id = 1")
    assert pending(name, source, target) is not None
    assert started.drain().changes == 1
    assert started.differences() == []


def test_a_source_whose_columns_change_keeps_its_writers_and_its_stream(started: Shop) -> None:
    started.run("ALTER TABLE origin.customer ADD COLUMN phone text DEFAULT 'none'")
    started.run("UPDATE origin.customer SET phone = '1', mail = 'new' WHERE id = 1")
    started.run("ALTER TABLE origin.customer DROP COLUMN phone")
    started.run("UPDATE origin.customer SET mail = 'newer' WHERE id = 2")
    assert not started.drain().had_snapshot
    assert started.differences() == []


def test_a_column_that_is_declared_later_is_filled_by_a_snapshot(shop: Shop) -> None:
    shop.declare({"columns": {"customer_id": "id", "email": "mail"}})
    shop.run(CUSTOMERS)
    shop.drain()
    assert shop.value("SELECT count(country) FROM shop.customers") == 0
    shop.declare()
    assert shop.drain().had_snapshot
    assert shop.differences() == []


def test_a_server_that_crashes_loses_nothing(started: Shop) -> None:
    started.run("UPDATE origin.customer SET mail = mail || '1'")
    started.drain()
    started.run("UPDATE origin.customer SET mail = mail || '2'")
    started.database.server.kill()
    started.database.engine.dispose()
    started.database.server.start()
    started.run("UPDATE origin.customer SET mail = mail || '3' WHERE id = 1")
    assert not started.drain().had_snapshot
    assert started.differences() == []


def test_a_connection_that_is_cut_is_worth_another_try(started: Shop) -> None:
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'groundwork:capture' "
        "AND datname = current_database()"
    )
    told: list[str] = []

    def follow() -> None:
        try:
            started.drain(until_caught_up=False)
        except RetriableError as error:
            told.append(str(error))

    runner = threading.Thread(target=follow)
    runner.start()
    started.run("UPDATE origin.customer SET mail = mail || '...' WHERE id = 1")
    arrived = "SELECT email FROM shop.customers WHERE customer_id = 1"
    until(lambda: not runner.is_alive() or started.value(arrived).endswith("..."), "the change")
    with started.database.server.connect(started.database.name) as connection:
        assert (connection.execute(cut).fetchone() or (0,))[0] >= 1
    started.run("UPDATE origin.customer SET mail = 'after' WHERE id = 2")
    runner.join(PATIENCE_SECONDS)
    assert not runner.is_alive()
    assert len(told) == 1
    assert "run it again" in told[0]
    assert not started.drain().had_snapshot
    assert started.differences() == []
