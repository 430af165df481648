"""Changed rows reach subscribers when they are committed, and only then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import text

from groundwork.flow.capture.outbox import bookmark, install, is_installed, prune, uninstall
from groundwork.flow.capture.subscription import ChangeEvent, Subscription, subscribe
from groundwork.model.errors import RetriableError
from tests.fix_market import Market
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres

TOUCH = "UPDATE market.strategies SET priority = priority WHERE name = :name"


@pytest.fixture
def watched(market: Market) -> Market:
    market.load("strategies")
    with market.engine.begin() as connection:
        assert install(connection, market.domain.table("strategies"))
        assert not install(connection, market.domain.table("strategies"))
    return market


@pytest.fixture
def subscription(watched: Market) -> Iterator[Subscription]:
    with Subscription(watched.engine.url, ["market.strategies"]) as found:
        yield found


def told(subscription: Subscription, count: int) -> list[ChangeEvent]:
    """The next changes, which are so many and no more."""
    found = list(islice(subscription.events(PATIENCE_SECONDS), count))
    return found + list(subscription.events(0.2))


def test_each_operation_is_told_with_its_key(watched: Market, subscription: Subscription) -> None:
    key = watched.value("SELECT strategy_id::text FROM market.strategies WHERE name = 'momentum'")
    watched.run(TOUCH, name="momentum")
    watched.run("INSERT INTO market.strategies (name, priority) VALUES ('new_one', 1), ('new_two', 2)")
    watched.run("DELETE FROM market.strategies WHERE name LIKE 'new%'")
    events = told(subscription, 5)
    assert [event.operation for event in events] == ["update", "insert", "insert", "delete", "delete"]
    assert events[0].key == {"strategy_id": key}
    assert {event.table for event in events} == {"strategies"}
    assert all(0 <= event.lag_seconds < 3600 for event in events)
    assert [event.change_id for event in events] == sorted({event.change_id for event in events})


def test_nothing_is_told_before_the_commit_or_after_a_rollback(watched: Market, subscription: Subscription) -> None:
    with watched.engine.connect() as connection:
        with connection.begin() as transaction:
            connection.execute(text(TOUCH), {"name": "momentum"})
            assert list(subscription.events(0.3)) == []
            transaction.rollback()
        assert list(subscription.events(0.3)) == []
        with connection.begin():
            connection.execute(text(TOUCH), {"name": "momentum"})
    assert len(told(subscription, 1)) == 1


def test_a_statement_without_rows_and_other_tables_are_silent(watched: Market, subscription: Subscription) -> None:
    watched.run(TOUCH, name="nobody")
    watched.load("dividend_aristocrats")
    assert list(subscription.events(0.3)) == []


def test_a_load_tells_what_it_changed_and_a_second_one_nothing(watched: Market, subscription: Subscription) -> None:
    watched.run("DELETE FROM market.strategies WHERE name = 'momentum'")
    watched.run("UPDATE market.strategies SET priority = 1 WHERE name = 'mean_reversion'")
    assert len(told(subscription, 2)) == 2
    watched.load("strategies")
    assert [event.operation for event in told(subscription, 2)] == ["update", "insert"]
    watched.load("strategies")
    assert list(subscription.events(0.3)) == []


def test_who_was_away_reads_on_from_the_outbox(watched: Market) -> None:
    with watched.engine.connect() as connection:
        before = bookmark(connection)
    watched.run(TOUCH, name="momentum")
    watched.run(TOUCH, name="trend_following")
    assert len(list(subscribe(watched.engine.url, timeout_seconds=0.2, after=before))) == 2
    with Subscription(watched.engine.url) as subscription:
        assert len(list(subscription.events(0.2, after=before))) == 2
        seen = subscription.bookmark
    assert list(subscribe(watched.engine.url, timeout_seconds=0.2, after=seen)) == []


def test_a_late_committer_is_not_missed(watched: Market, subscription: Subscription) -> None:
    with watched.engine.connect() as late, late.begin():
        late.execute(text(TOUCH), {"name": "momentum"})  # written first, committed last
        watched.run(TOUCH, name="trend_following")
        first = told(subscription, 1)
        seen = subscription.bookmark
    assert len(first) == 1
    (missed,) = subscribe(watched.engine.url, timeout_seconds=0.2, after=seen)
    assert missed.change_id < first[0].change_id


def test_uninstalling_ends_the_watch_and_pruning_empties_the_outbox(watched: Market) -> None:
    table = watched.domain.table("strategies")
    watched.run(TOUCH, name="momentum")
    with watched.engine.begin() as connection:
        assert prune(connection, timedelta(hours=1)) == 0
        uninstall(connection, table)
        assert not is_installed(connection, table)
    with watched.engine.begin() as connection:
        assert prune(connection, timedelta(0)) == 1
    watched.run(TOUCH, name="momentum")
    assert watched.value("SELECT count(*) FROM groundwork_flow.change") == 0


def test_a_writer_without_rights_on_the_outbox_can_still_write(watched: Market) -> None:
    role = f"writer_{time.monotonic_ns()}"
    watched.run(f"CREATE ROLE {role} NOLOGIN")
    try:
        watched.run(f"GRANT {role} TO CURRENT_USER")
        watched.run(f"GRANT USAGE ON SCHEMA market TO {role}")
        watched.run(f"GRANT SELECT, UPDATE ON market.strategies TO {role}")
        with watched.engine.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            connection.execute(text(TOUCH), {"name": "momentum"})
        assert watched.value("SELECT count(*) FROM groundwork_flow.change") == 1
    finally:
        watched.run(f"DROP OWNED BY {role}")
        watched.run(f"DROP ROLE {role}")


def test_a_lost_connection_is_worth_another_try(watched: Market, subscription: Subscription) -> None:
    killed = watched.value(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'groundwork:changes' "
        "AND datname = current_database()"
    )
    assert killed == 1
    with pytest.raises(RetriableError):
        list(subscription.events(5))
