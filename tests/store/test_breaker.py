"""Breakers on a real store: what opens them, who may probe, what closes them, with many workers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.model.fault import Alternative, AlternativeKind, TaskTry
from groundwork.store.admission import _ADMIT, Admission, admit, name_of
from groundwork.store.alternative import Alternatives
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres
TARGET = "connection:shop"
RULE = BreakerRule(
    threshold=3, cool_down_seconds=30, factor=2, max_cool_down_seconds=100, window_seconds=60, probe_seconds=60
)


@pytest.fixture(scope="module")
def migrated(module_database: Database) -> Engine:
    migrate(module_database.engine)
    return module_database.engine


@pytest.fixture
def store(migrated: Engine) -> Iterator[Engine]:
    yield migrated
    with migrated.begin() as connection:
        connection.execute(text("TRUNCATE groundwork.breaker, groundwork.alternative, groundwork.strike CASCADE"))


def a_try(number: int = 1, task_id: str = "load") -> TaskTry:
    return TaskTry(dag_id="d", run_id="r", task_id=task_id, try_number=number)


def arguments(store: Engine) -> dict[str, Any]:
    """Where the store is, as the driver wants to know it."""
    return store.url.translate_connect_args(username="user", database="dbname")


def fail(store: Engine, by: str, rule: BreakerRule = RULE) -> int:
    return Breakers(store).failed(TARGET, by=by, rule=rule, reason="gone")


def ask(store: Engine, number: int = 1, task_id: str = "load", *targets: str) -> Admission:
    return admit(arguments(store), a_try(number, task_id), targets or (TARGET,))


def opened(store: Engine) -> None:
    assert [fail(store, f"try {number}") for number in range(3)] == [False, False, True]


def row(store: Engine) -> dict[str, object]:
    return dict(Breakers(store).all()[0])


def pass_time(store: Engine, seconds: float) -> None:
    """Let everything in the breakers be longer ago."""
    with store.begin() as connection:
        connection.execute(
            text(
                "UPDATE groundwork.breaker SET window_from = window_from - make_interval(secs => :s), "
                "retry_at = retry_at - make_interval(secs => :s), "
                "probe_until = probe_until - make_interval(secs => :s)"
            ),
            {"s": seconds},
        )


def test_what_never_failed_admits(store: Engine) -> None:
    assert ask(store) == Admission()


def test_failures_within_the_window_open_it(store: Engine) -> None:
    opened(store)
    (blocked,) = ask(store).blocked
    assert (blocked.target, blocked.is_held, blocked.reason) == (TARGET, False, "gone")
    assert 0 < blocked.seconds <= 30


def test_one_try_counts_once_however_often_it_is_told(store: Engine) -> None:
    assert not any(fail(store, "the same") for _ in range(5))
    assert row(store)["failures"] == 1


def test_a_success_between_forgets(store: Engine) -> None:
    fail(store, "a")
    fail(store, "b")
    assert ask(store).troubled == (TARGET,), "who succeeds has something to tell"
    assert Breakers(store).succeeded([TARGET], by="c") == ()
    assert not fail(store, "d")
    assert (row(store)["state"], row(store)["failures"]) == ("closed", 1)


def test_failures_of_long_ago_do_not_count(store: Engine) -> None:
    fail(store, "a")
    fail(store, "b")
    pass_time(store, 61)
    assert not fail(store, "c")
    assert row(store)["failures"] == 1


def test_a_threshold_of_one_opens_at_once(store: Engine) -> None:
    assert fail(store, "a", BreakerRule(threshold=1))
    assert ask(store).blocked


def test_one_probe_goes_and_the_others_wait(store: Engine) -> None:
    opened(store)
    pass_time(store, 31)
    first, second = ask(store, 1, "one"), ask(store, 1, "two")
    assert (first.blocked, first.probed) == ((), (TARGET,))
    assert [each.target for each in second.blocked] == [TARGET]
    assert second.blocked[0].seconds <= 60


def test_the_probe_that_succeeds_closes_it_and_ends_what_stood_in(store: Engine) -> None:
    opened(store)
    Alternatives(store).keep(
        a_try(), Alternative(kind=AlternativeKind.REPLICA, names="shop", instead="copy", reason="gone")
    )
    assert [each.instead for each in ask(store, 2).alternatives] == ["copy"]
    assert ask(store, 2).blocked == (), "the alternative's own breaker is asked, which never failed"
    pass_time(store, 31)
    assert ask(store, 1, "probe").probed == (TARGET,)
    by = name_of(a_try(1, "probe"))
    assert Breakers(store).succeeded([TARGET], by="somebody else") == (), "only the probe decides"
    assert Breakers(store).succeeded([TARGET], by=by) == (TARGET,)
    found = ask(store, 2)
    assert (found.blocked, found.alternatives) == ((), ())
    assert Alternatives(store).of(a_try())[0]["ended_because"] == "the first choice is back"


def test_the_probe_that_fails_opens_it_for_longer_up_to_the_maximum(store: Engine) -> None:
    opened(store)
    pauses = []
    for number in range(4):
        pass_time(store, 1000)
        assert ask(store, 1, f"probe {number}").probed
        assert not fail(store, "somebody else"), "only the probe counts"
        assert fail(store, name_of(a_try(1, f"probe {number}")))
        pauses.append(row(store)["cool_down_seconds"])
    assert pauses == [60, 100, 100, 100]


def test_a_probe_that_never_ends_gives_its_place_away(store: Engine) -> None:
    opened(store)
    pass_time(store, 31)
    assert ask(store, 1, "killed").probed
    pass_time(store, 61)
    assert ask(store, 1, "next").probed


def test_a_probe_that_failed_of_something_else_is_released(store: Engine) -> None:
    opened(store)
    pass_time(store, 31)
    assert ask(store, 1, "probe").probed
    Breakers(store).release(name_of(a_try(1, "probe")))
    assert ask(store, 1, "next").probed


def test_no_probe_is_taken_while_another_target_blocks(store: Engine) -> None:
    opened(store)
    pass_time(store, 31)
    Breakers(store).hold("connection:other", "maintenance")
    found = ask(store, 1, "both", TARGET, "connection:other")
    assert {each.target for each in found.blocked} == {TARGET, "connection:other"}
    assert ask(store, 1, "alone").probed == (TARGET,)


def test_what_a_person_holds_open_waits_for_a_person(store: Engine) -> None:
    breakers = Breakers(store)
    breakers.hold(TARGET, "maintenance")
    pass_time(store, 10_000)
    (blocked,) = ask(store).blocked
    assert (blocked.is_held, blocked.reason) == (True, "maintenance")
    assert not fail(store, "late")
    assert breakers.succeeded([TARGET], by="late") == ()
    assert breakers.close(TARGET, "done")
    assert ask(store) == Admission()
    assert not breakers.close("connection:nobody", "done")


def test_who_began_before_it_opened_does_not_probe(store: Engine) -> None:
    """Its transaction is older than what it reads: that is no clock that went back."""
    values = {**vars(a_try(1, "early")), "targets": [TARGET], "by": "early"}
    with closing(psycopg2.connect(**arguments(store))) as early, early.cursor() as cursor:
        cursor.execute("SELECT now()")
        opened(store)
        cursor.execute(_ADMIT, values)
        found = cursor.fetchone()
    assert found is not None
    assert [(each["state"], each["is_probe"]) for each in found[0]] == [("open", False)]


def test_of_many_workers_one_probes(store: Engine, module_database: Database) -> None:
    opened(store)
    pass_time(store, 31)
    engines = [create_engine(module_database.url) for _ in range(8)]
    barrier = threading.Barrier(8)

    def at_once(number: int) -> bool:
        with engines[number].connect():
            barrier.wait(PATIENCE_SECONDS)
        return bool(ask(engines[number], 1, f"worker {number}").probed)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(at_once, range(8))) == 1
    for engine in engines:
        engine.dispose()


def test_of_many_failures_at_once_one_opens(store: Engine, module_database: Database) -> None:
    engines = [create_engine(module_database.url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda number: fail(engines[number], f"worker {number}"), range(8))) == 1
    assert (row(store)["failures"], row(store)["times_opened"]) == (3, 1)
    for engine in engines:
        engine.dispose()
