"""What a reader of the outbox holds is given back, also where its connection was cut."""

from __future__ import annotations

import psycopg
import pytest

from groundwork.flow.capture import outbox_reader
from groundwork.flow.capture.connect import source_connection
from groundwork.flow.capture.outbox_reader import OutboxReader, outbox_position
from groundwork.model.errors import RetriableError
from tests.flow.capture.shop import Shop

pytestmark = pytest.mark.postgres


def _cut(shop: Shop, connection: psycopg.Connection[object]) -> None:
    """End the session of a connection, and return when it is gone."""
    with shop.database.server.connect() as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 60000)", [connection.info.backend_pid])


def test_a_cursor_of_the_server_is_closed(plain_shop: Shop) -> None:
    with source_connection(plain_shop.url) as connection:
        reading = outbox_reader._server_cursor(connection, "one")
        with connection.transaction():
            cursor = reading.__enter__()
            cursor.execute("SELECT 1")
            _cut(plain_shop, connection)
            with pytest.raises(psycopg.OperationalError):
                reading.__exit__(None, None, None)
        assert cursor.closed
        assert connection.closed


def test_a_reading_that_has_more_to_tell_ends_without_an_error(plain_shop: Shop) -> None:
    plain_shop.drain()
    before = str(plain_shop.value("SELECT pg_current_snapshot()::text"))
    for number in (1, 2):  # a piece each
        plain_shop.run(f"INSERT INTO origin.customer VALUES ({number}, 'a{number}', 'DE', NULL, NULL)")
    tables = frozenset({"origin.customer"})
    with OutboxReader(plain_shop.url, plain_shop.slot, tables, outbox_position(before)) as reader:
        piece = reader.next(60)
        assert piece is not None
        assert [change.after["id"] for change in piece.changes if change.after] == ["1"]
        _cut(plain_shop, reader._open)
    assert reader._open.closed


def test_a_source_that_goes_away_behind_the_commit_is_worth_another_try(
    plain_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settled(*_: object) -> None:
        raise RetriableError("the source went away")

    plain_shop.drain()
    plain_shop.run("INSERT INTO origin.customer VALUES (1, 'a', 'DE', NULL, NULL)")
    with monkeypatch.context() as patched:
        patched.setattr(OutboxReader, "settled", settled)
        with pytest.raises(RetriableError, match="went away"):
            plain_shop.drain()
    assert plain_shop.drain().changes == 0
    assert plain_shop.differences_of_customers() == []
