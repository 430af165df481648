"""The task's process is killed within the retry policy, at several points: each try is struck once, nothing is lost.

Each kill is real: SIGKILL of a process of its own, forked with everything loaded, on a real store. What follows is what
Airflow does next: the next try begins. A process that only stands still is ended then, before it can write once more.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from groundwork.model.fault import TaskTry
from groundwork.store.alternative import Alternatives
from groundwork.store.breaker import Breakers
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database
from tests.operators.fix_tries import begin, instance

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_POINTS = [  # where, when, strikes of the try by then, failures that its breaker heard of
    ("groundwork.store.breaker:Breakers:failed", "before", 0, 0),
    ("groundwork.store.breaker:Breakers:failed", "after", 0, 1),
    ("groundwork.orbt.response:Responder:_heal", "before", 0, 1),
    ("groundwork.orbt.response:Responder:_heal", "after", 0, 1),
    ("groundwork.store.strike:Strikes:record", "before", 0, 1),
    ("groundwork.store.strike:Strikes:record", "after", 1, 1),
    ("groundwork.operators.tries.try_end:Failed:keep_alternatives", "after", 1, 1),
]


@pytest.fixture
def store(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    from groundwork.operators import connections
    from groundwork.operators.tries import redirection, try_state

    migrate(database.engine)
    address = database.url.replace("postgresql+psycopg", "postgres")
    for name in ("WAREHOUSE", "GROUNDWORK_STORE", "SHOP"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", address)
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path))
    connections.engine.cache_clear()
    yield database.engine
    redirection.restore()
    try_state.forget()
    connections.engine.cache_clear()


def respond(where: str = "", when: str = "", try_number: int = 1) -> int:
    """Let a try fail in a process of its own, which is killed at a point of the policy; the signal, or 0."""
    from groundwork.operators import connections

    connections.engine.cache_clear()  # a forked process must not share a session
    pid = os.fork()
    if pid == 0:
        try:
            if where:
                _lay_trap(where, when)
            found = instance(try_number)
            error = psycopg.OperationalError("connection refused")
            found.task.retry_policy.respond(error, found, has_try_left=try_number <= 2)
            os._exit(0)
        finally:
            os._exit(99)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _lay_trap(where: str, when: str) -> None:
    module, holder, name = where.split(":")
    kind = getattr(import_module(module), holder)
    original = getattr(kind, name)

    def die(*arguments: Any, **options: Any) -> None:
        if when == "after":
            original(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(kind, name, die)


def struck(store: Engine) -> list[tuple[int, str]]:
    return sorted((row["try_number"], row["fault_class"]) for row in Strikes(store).latest())


def a_try(number: int) -> TaskTry:
    return TaskTry(dag_id="d", run_id="r 1", task_id="load", try_number=number)


@pytest.mark.parametrize(("where", "when", "strikes", "failures"), _POINTS)
def test_a_try_is_struck_once_wherever_its_process_is_killed(
    store: Engine, where: str, when: str, strikes: int, failures: int
) -> None:
    assert respond(where, when) == signal.SIGKILL
    assert len(struck(store)) == strikes
    assert sum(row["failures"] for row in Breakers(store).all()) == failures

    begin(instance(2))
    begin(instance(2))  # as after a reschedule, or a scheduler that was started again
    known = "connection_failures" if strikes else "worker_lost"
    assert struck(store) == [(1, known)]
    assert respond(try_number=2) == 0
    assert struck(store) == [(1, known), (2, "connection_failures")]
    assert [row["number"] for row in Strikes(store).of(a_try(3))] == [1, 2]


def test_a_remedy_that_ran_is_not_run_again_by_the_same_try(store: Engine) -> None:
    assert respond("groundwork.store.strike:Strikes:record", "before") == signal.SIGKILL
    assert respond() == 0
    with store.connect() as connection:
        runs = connection.execute(
            text("SELECT remedy, count(*) FROM groundwork.remedy_run GROUP BY remedy ORDER BY remedy")
        )
        assert [tuple(row) for row in runs] == [("refresh_credentials", 1), ("reset_connections", 1)]
    assert [each["is_done"] for each in Strikes(store).latest()[0]["remedies"]] == [True, True]


def test_a_person_is_asked_once_when_the_process_dies_while_asking(store: Engine) -> None:
    assert respond() == 0
    assert respond(try_number=2) == 0
    for _ in range(2):
        assert respond("groundwork.store.strike:Strikes:record", "before", 3) == signal.SIGKILL
    assert respond(try_number=3) == 0
    assert [number for number, _ in struck(store)] == [1, 2, 3]
    assert len(Incidents(store).latest()) == 1


def test_an_alternative_that_was_chosen_survives_its_process(store: Engine) -> None:
    assert respond() == 0
    alternative = {"kind": "fallback", "names": "shop", "instead": "warehouse", "reason": "there"}
    told = [{"remedy": "use_fallback", "is_done": True, "report": "", "alternative": alternative}]
    with store.begin() as connection:  # as its result stands in the strike when the process dies right behind that
        connection.execute(text("UPDATE groundwork.strike SET remedies = CAST(:r AS jsonb)"), {"r": json.dumps(told)})
    found = instance(2)
    assert begin(found) is None
    assert "`warehouse` instead of `shop`" in found.told["runs_on"]
    assert [row["ran_in_try"] for row in Alternatives(store).of(a_try(2))] == [2]


def stand_still(try_number: int) -> int:
    """Let a try begin in a process of its own, which stands still then; its id."""
    from groundwork.operators import connections

    connections.engine.cache_clear()  # a forked process must not share a session
    begun, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            begin(instance(try_number))
            os.write(told, b"!")
            signal.pause()
        finally:
            os._exit(99)
    os.close(told)
    assert os.read(begun, 1) == b"!"
    os.kill(pid, signal.SIGSTOP)
    return pid


def how_it_ended(pid: int) -> int:
    """The signal that ended a process; 0 while it stands, after which it is ended."""
    from groundwork.operators.tries.fence import birth_of

    path = Path(f"/proc/{pid}/stat")
    state = path.read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    is_there = state == "T" and birth_of(pid) is not None
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return 0 if is_there else os.WTERMSIG(status)


def test_a_process_that_stands_still_is_ended_when_the_next_try_begins(store: Engine) -> None:
    pid = stand_still(1)
    begin(instance(2))
    assert how_it_ended(pid) == signal.SIGKILL
    assert struck(store) == [(1, "worker_lost")]


def test_a_process_of_the_same_try_or_a_later_one_stands(store: Engine) -> None:
    pid = stand_still(2)
    begin(instance(2))  # as after a reschedule
    assert how_it_ended(pid) == 0


def test_a_process_that_has_the_id_of_a_dead_one_stands(store: Engine, tmp_path: Path) -> None:
    pid = stand_still(1)
    (mark,) = (tmp_path / "tries").glob("*.json")
    told = json.loads(mark.read_text(encoding="utf-8"))
    assert told["pid"] == pid
    mark.write_text(json.dumps({**told, "birth": told["birth"] - 1}), encoding="utf-8")
    begin(instance(2))
    assert how_it_ended(pid) == 0


def test_a_try_never_ends_its_own_process(store: Engine) -> None:
    begin(instance(1))
    begin(instance(2))  # as `dag.test` does it
    assert struck(store) == [(1, "worker_lost")]
