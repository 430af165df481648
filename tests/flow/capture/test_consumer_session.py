"""What is counted of a stream's consumers: hours of work and failures, whatever way they end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection

from groundwork.flow.capture import ledger
from groundwork.flow.capture.consumer_session import consumer_session
from groundwork.flow.capture.event import Change
from groundwork.model.errors import RetriableError, SkippableError
from tests.flow.capture.shop import Shop

pytestmark = pytest.mark.postgres
_CUSTOMER = "INSERT INTO origin.customer VALUES (1, 'a@x.org', 'DE', now(), '{}')"


def failures(shop: Shop) -> int | None:
    """Of all hours, of which there are two when the clock strikes meanwhile; null before any work."""
    found = shop.value("SELECT sum(failures) FROM groundwork_flow.stream_hour WHERE stream = 'shop.shop_db'")
    return None if found is None else int(found)


def hours(connection: Connection, days: float) -> int:
    return len(ledger.hours(connection, ["shop.shop_db"], datetime.now(UTC) - timedelta(days=days)))


def test_an_hour_of_work_is_counted_with_its_failures(plain_shop: Shop) -> None:
    def refuse(_changes: Sequence[Change]) -> None:
        raise ValueError("no")

    with plain_shop.database.engine.begin() as connection:
        assert hours(connection, 30) == 0, "nothing was ever captured"
    plain_shop.drain()
    assert failures(plain_shop) == 0
    plain_shop.run(_CUSTOMER)
    for count in (1, 2):
        with pytest.raises(ValueError, match="no"):
            plain_shop.drain(handler=refuse)
        assert failures(plain_shop) == count
    assert plain_shop.drain().changes == 1
    assert failures(plain_shop) == 2


def test_a_source_that_is_away_is_a_failure_and_one_that_was_stopped_or_is_taken_is_none(
    plain_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain_shop.drain()
    with consumer_session(plain_shop.database.engine, plain_shop.stream.name) as other:
        with monkeypatch.context() as hasty:
            hasty.setattr("groundwork.flow.capture.consumer_session._HANDOVER_SECONDS", 0.2)
            with pytest.raises(RetriableError, match="another consumer"):
                plain_shop.drain()
        other.rollback()
    url, plain_shop.url = plain_shop.url, plain_shop.url.set(port=1)
    with pytest.raises(RetriableError):
        plain_shop.drain()
    plain_shop.url = url
    assert failures(plain_shop) == 1
    plain_shop.run("UPDATE groundwork_flow.stream SET is_wanted = false")
    with pytest.raises(SkippableError, match="stopped"):
        plain_shop.drain()
    assert failures(plain_shop) == 1


def test_a_failure_that_cannot_be_counted_is_told_as_it_is(plain_shop: Shop) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"

    def cut_off(_changes: Sequence[Change]) -> None:
        with plain_shop.database.server.connect(plain_shop.database.name) as connection:
            database = "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            connection.execute(f"{cut} {database}".encode())
        raise ValueError("the first cause")

    plain_shop.drain()
    plain_shop.run(_CUSTOMER)
    with pytest.raises(ValueError, match="the first cause"):
        plain_shop.drain(handler=cut_off)
    assert failures(plain_shop) == 0
    assert plain_shop.drain().changes == 1


def test_old_hours_are_forgotten_and_others_stay(plain_shop: Shop) -> None:
    plain_shop.drain()
    with plain_shop.database.engine.begin() as connection:
        for days, stream in ((61, "shop.shop_db"), (59, "shop.shop_db"), (61, "other")):
            row = {"stream": stream, "hour_at": datetime.now(UTC) - timedelta(days=days), "failures": 0}
            connection.execute(ledger.STREAM_HOUR.insert().values(row))
        ledger.at_work(connection, "shop.shop_db")
        assert hours(connection, 30) in {1, 2}
        assert hours(connection, 90) == hours(connection, 30) + 1
    assert plain_shop.value("SELECT count(*) FROM groundwork_flow.stream_hour WHERE stream = 'other'") == 1


def test_a_ledger_from_before_hours_were_counted_is_still_asked(plain_shop: Shop) -> None:
    plain_shop.drain()
    plain_shop.run("DROP TABLE groundwork_flow.stream_hour", "UPDATE groundwork_flow.stream SET is_wanted = false")
    with pytest.raises(SkippableError, match="stopped"):
        plain_shop.drain()
    plain_shop.run("UPDATE groundwork_flow.stream SET is_wanted = true")
    plain_shop.drain()
    assert failures(plain_shop) == 0
