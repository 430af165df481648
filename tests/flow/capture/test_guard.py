"""A dead consumer does not fill the disk of its source, and who comes back begins anew, told so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg import sql

from groundwork.flow.capture import ledger
from groundwork.flow.capture.capability import detect
from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.event import Way
from groundwork.flow.capture.guard import drop, guard
from groundwork.flow.capture.lag import status
from groundwork.flow.capture.slot import slot_facts
from groundwork.model.errors import ConfigError
from tests.flow.capture.shop import Shop

pytestmark = pytest.mark.postgres
_LIMIT = 300_000
_LOG_LIMIT = 6_000_000  # the log of the snapshot itself is kept for a while
_OUTBOX = "SELECT coalesce(pg_relation_size(to_regclass('groundwork_flow.change')), 0)"
_BURST = (
    "INSERT INTO origin.customer SELECT n, repeat(md5(n::text), 20), 'DE', now(), NULL "
    "FROM generate_series(10, 1200) AS n"
)


@pytest.fixture
def bounded(shop: Shop) -> Shop:
    """A stream with a small limit that has consumed and then fell silent."""
    shop.declare({"limit_bytes": _limit(shop)})
    shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    shop.drain()
    return shop


def _limit(shop: Shop) -> int:
    return _LOG_LIMIT if "replicator" in str(shop.url.username) else _LIMIT


def _guard(shop: Shop) -> str | None:
    return guard(shop.stream.name, shop.url, shop.database.engine)


def _events(shop: Shop) -> list[str]:
    with shop.database.engine.connect() as connection:
        return [f"{each['kind']}: {each['told']}" for each in ledger.events(connection, shop.stream.name)]


def _kept(shop: Shop) -> int:
    """Bytes that the source keeps for the stream."""
    with source_connection(shop.url) as connection:
        facts = slot_facts(connection, shop.slot)
    return (facts.retained_bytes or 0) if facts else 0


def test_a_silent_consumer_is_given_up_at_the_limit(bounded: Shop) -> None:
    assert _guard(bounded) is None
    bounded.run(_BURST)
    for _ in range(40):
        bounded.run("UPDATE origin.customer SET mail = mail || '.'")
        if _kept(bounded) > _limit(bounded) or bounded.value(_OUTBOX) > _limit(bounded):
            break
    reason = _guard(bounded)
    assert reason is not None
    assert f"more than {_limit(bounded)}" in reason
    assert _guard(bounded) is None
    assert _kept(bounded) == 0
    assert bounded.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'groundwork_%_change'") == 0
    assert _events(bounded)[0].startswith("given_up: ")
    found = status(bounded.stream.name, bounded.url, bounded.database.engine)
    assert found is not None
    assert found.state == "given up"
    done = bounded.drain()
    assert done.had_snapshot
    assert bounded.differences_of_customers() == []
    assert "a new snapshot is taken" in "\n".join(_events(bounded))
    assert _guard(bounded) is None


def test_a_consumer_that_was_not_seen_is_given_up(bounded: Shop) -> None:
    bounded.run("UPDATE groundwork_flow.stream SET heartbeat_at = now() - interval '2 days'")
    reason = _guard(bounded)
    assert reason is not None
    assert "no consumer was seen for 172800 s" in reason
    assert bounded.drain().had_snapshot


def test_the_outbox_bounds_itself_without_any_guard(plain_shop: Shop) -> None:
    shop = plain_shop
    shop.declare({"limit_bytes": _LIMIT})
    shop.drain()
    shop.run(_BURST)
    size = shop.value("SELECT pg_relation_size('groundwork_flow.change')")
    for _ in range(5):
        shop.run("UPDATE origin.customer SET mail = mail || '.'")
    assert shop.value("SELECT pg_relation_size('groundwork_flow.change')") == size > _LIMIT
    assert shop.drain().had_snapshot
    assert shop.differences_of_customers() == []
    assert "the outbox reached its limit" in "\n".join(_events(shop))
    shop.run("UPDATE origin.customer SET mail = 'z' WHERE id = 10")
    assert shop.drain().changes == 1


def test_consumed_rows_leave_the_outbox(plain_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.flow.capture.outbox_reader._KEEP", "0 seconds")
    plain_shop.drain()
    plain_shop.run(_BURST)
    plain_shop.drain()
    plain_shop.drain()
    assert plain_shop.value("SELECT count(*) FROM groundwork_flow.change") == 0
    assert plain_shop.value("SELECT count(*) FROM groundwork_flow.change_commit") <= 1


@pytest.mark.parametrize("loss", ["slot", "publication", "moved"])
def test_what_was_lost_in_the_log_is_told_and_made_good(log_shop: Shop, loss: str) -> None:
    log_shop.drain()
    log_shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    with source_connection(log_shop.url) as connection:
        if loss == "slot":
            connection.execute("SELECT pg_drop_replication_slot(%s)", (log_shop.slot,))
        elif loss == "publication":
            connection.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(log_shop.slot)))
        else:
            connection.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())", (log_shop.slot,))
    assert log_shop.drain().had_snapshot
    assert log_shop.differences_of_customers() == []
    assert any(each.startswith("lost: ") for each in _events(log_shop))


def test_triggers_that_were_taken_away_are_told_and_made_good(plain_shop: Shop) -> None:
    plain_shop.drain()
    plain_shop.run("DROP TRIGGER groundwork_insert_change ON origin.customer")
    plain_shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    assert plain_shop.drain().had_snapshot
    assert plain_shop.differences_of_customers() == []


def test_dropping_leaves_nothing_in_the_source(bounded: Shop) -> None:
    name, source, target = bounded.stream.name, bounded.url, bounded.database.engine
    assert drop(name, source, target)
    assert not drop(name, source, target)
    assert bounded.value("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == 0
    assert bounded.value("SELECT count(*) FROM pg_publication") == 0
    assert bounded.value("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'groundwork_%_change'") == 0
    assert bounded.value("SELECT count(*) FROM shop.customers") == 1


def test_the_way_and_its_reason_are_told(plain_shop: Shop, log_shop: Shop) -> None:
    done = log_shop.drain()
    assert (done.way, done.reason) == ("log", "the server decodes its log for this role")
    with log_shop.database.server.connect(log_shop.database.name) as connection:
        role = sql.Identifier(str(log_shop.url.username))
        connection.execute(sql.SQL("ALTER ROLE {} NOREPLICATION").format(role))
    log_shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    with log_shop.database.server.connect(log_shop.database.name) as connection:
        connection.execute("SELECT pg_drop_replication_slot(%s)", (log_shop.slot,))
    done = log_shop.drain()
    assert done.way == "outbox"
    assert done.had_snapshot
    assert "lacks REPLICATION" in done.reason
    assert log_shop.differences_of_customers() == []


def test_a_table_without_identity_is_never_published(log_shop: Shop) -> None:
    log_shop.run("ALTER TABLE origin.customer REPLICA IDENTITY NOTHING")
    with source_connection(log_shop.url) as connection:
        found = detect(connection, log_shop.stream)
        assert found.way is Way.OUTBOX
        assert "origin.customer has no replica identity" in found.reason
        with pytest.raises(ConfigError, match="does not let anybody capture") as error:
            detect(connection, replace(log_shop.stream, way=Way.LOG))
    assert "no replica identity" in str(error.value.found)


def test_a_column_that_is_not_there_is_told(plain_shop: Shop) -> None:
    plain_shop.declare({"columns": {"customer_id": "id", "email": "electronic_mail"}})
    with pytest.raises(ConfigError) as error:
        plain_shop.drain()
    assert error.value.found == "missing: electronic_mail"


def test_an_unsafe_log_is_told(log_shop: Shop) -> None:
    with source_connection(log_shop.url) as connection:
        found = detect(connection, log_shop.stream)
        setting = connection.execute("SELECT current_setting('max_slot_wal_keep_size')").fetchone()
    is_bounded = setting is not None and setting[0] != "-1"
    assert bool(found.warnings) is not is_bounded
