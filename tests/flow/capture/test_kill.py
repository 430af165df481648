"""Consumers killed at random moments, again and again: nothing is lost and nothing comes twice."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from groundwork.flow.capture.consume import consume
from groundwork.flow.capture.declaration import Apply
from tests.flow.capture.shop import Shop

pytestmark = pytest.mark.postgres
_SEEDS = range(12)
_HISTORY = {
    "kind": "stream", "connection": "shop_db", "table": "origin.customer", "apply": "append",
    "columns": {"customer_id": "id", "email": "mail"},
    "facts": {"operation": "what", "committed_at": "at", "number": "number"},
}  # fmt: skip


_JOURNAL = (
    "CREATE TABLE origin.journal (xid xid8 DEFAULT pg_current_xact_id(), what text, id bigint, mail text)",
    "CREATE FUNCTION origin.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO origin.journal "
    "(what, id, mail) VALUES (lower(TG_OP), coalesce(NEW.id, OLD.id), NEW.mail); RETURN NULL; END $$",
    "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON origin.customer "
    "FOR EACH ROW EXECUTE FUNCTION origin.note()",
)


@pytest.fixture
def both(shop: Shop) -> Shop:
    """The shop, whose customers are kept both by merging and as a history."""
    shop.run("CREATE TABLE shop.history (at timestamptz, what text, customer_id bigint, email text, number bigint)")
    shop.declare_history(_HISTORY, alone=False)
    assert [table.apply for table in shop.stream.tables] == [Apply.MERGE, Apply.APPEND, Apply.MERGE]
    return shop


def _consumer(shop: Shop) -> int:
    """A process of its own that consumes until it is killed."""
    pid = os.fork()
    if pid:
        return pid
    try:
        engine = create_engine(shop.database.url, poolclass=NullPool)
        consume(shop.stream, shop.url, engine, shop.domain, run_id="killed", seconds=600, batch_rows=20)
    finally:
        os._exit(1)


def test_killed_at_any_moment(both: Shop) -> None:
    shop = both
    shop.run("INSERT INTO origin.customer SELECT n, 'm' || n, 'DE', now(), NULL FROM generate_series(1, 300) AS n")
    shop.run(*_JOURNAL)
    killed = 0
    for number, seed in enumerate(_SEEDS):
        if number == len(_SEEDS) // 2:
            shop.drain()  # on a busy machine all before can have died in the first snapshot
        chance = random.Random(seed)  # noqa: S311  repeatable, not secret
        pid = _consumer(shop)
        end = time.monotonic() + chance.uniform(0.02, 0.7)
        while time.monotonic() < end:
            _change(shop, chance)
            time.sleep(chance.uniform(0, 0.01))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        killed += os.WIFSIGNALED(status)
    assert killed == len(_SEEDS)
    shop.drain()
    assert shop.rows("SELECT raw, reasons FROM groundwork_flow.quarantine") == []
    assert shop.differences_of_customers() == []
    told = shop.rows(
        "SELECT what, customer_id, CASE WHEN what <> 'delete' THEN email END FROM shop.history "
        "WHERE what <> 'snapshot' ORDER BY at, customer_id"
    )
    made = shop.rows("SELECT what, id, mail FROM origin.journal ORDER BY xid, id")
    assert 0 < len(told) <= len(made)
    assert told == made[len(made) - len(told) :]  # all that came after the snapshot, once and in order
    assert shop.value("SELECT count(*) FROM groundwork_flow.stream_event WHERE kind = 'snapshot'") == 1


def _change(shop: Shop, chance: random.Random) -> None:
    key = chance.randrange(1, 400)
    choice = chance.randrange(4)
    mail = chance.randrange(10**9)
    statement = {
        0: f"INSERT INTO origin.customer VALUES ({key}, 'm{mail}', 'FR', now(), NULL) ON CONFLICT DO NOTHING",
        1: f"UPDATE origin.customer SET mail = 'u{mail}' WHERE id = {key}",
        2: f"UPDATE origin.customer SET mail = mail || '.' WHERE id BETWEEN {key} AND {key + 30}",
        3: f"DELETE FROM origin.customer WHERE id = {key}",
    }[choice]
    shop.run(statement)
