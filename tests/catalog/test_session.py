"""A session that leaves its pool ends with its block, also when an interruption meets it in a statement."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import text

from groundwork.catalog.session import detached
from groundwork.flow.capture.consumer_session import consumer_session
from groundwork.flow.loads.session import load_session
from groundwork.flow.quarantine.turn import turn
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


class _Interruption(BaseException):
    """As the timeout of a task: no `Exception`."""


@pytest.fixture
def interrupted() -> Iterator[Callable[[], object]]:
    """A call after which the statement that the main thread waits for next is interrupted by a signal."""

    def strike(number: int, frame: FrameType | None) -> None:
        raise _Interruption

    before = signal.signal(signal.SIGALRM, strike)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 1.0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_it_does_not_come_back_to_the_pool(database: Database) -> None:
    with database.engine.connect() as connection, detached(connection):
        connection.execute(text("SET application_name = 'apart'"))
        connection.commit()
    with database.engine.connect() as connection:
        assert connection.scalar(text("SHOW application_name")) != "apart"


@pytest.mark.parametrize("session", [load_session, turn, consumer_session])
def test_an_interruption_within_a_statement_closes_it(
    session: Callable[..., AbstractContextManager[Any]], database: Database, interrupted: Callable[[], object]
) -> None:
    kept: list[Any] = []

    def asleep() -> None:
        with session(database.engine, "shop.orders") as connection:
            kept.append(connection.connection.dbapi_connection)
            interrupted()
            connection.execute(text("SELECT pg_sleep(600)"))

    with pytest.raises(_Interruption) as error:
        asleep()
    assert error.tb is not None  # its frames are alive, and hold nothing open
    assert kept[0].closed
