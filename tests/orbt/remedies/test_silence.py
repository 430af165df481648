"""A target that swallows whatever it is sent: a strike waits for it once, and what can help without it still runs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError

from groundwork.model.fault import AlternativeKind, Circumstances, Fault, Impact, Strike, TaskTry
from groundwork.orbt.observations import observe_database
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.remedies.silence import TargetSilentError, learnt_once
from groundwork.orbt.response import Responder
from groundwork.orbt.spool import Spool
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.patience import until

pytestmark = pytest.mark.postgres
_PATTERNS = read_patterns(Path(__file__).parents[3] / "governance" / "patterns")
_FAULT = Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="gone")
_NOT_AGAIN = "could not: `warehouse` did not answer in this strike and was not waited for again"
_FALLBACK = "kind: alternatives\nversion: 1.0.0\nconnections: {warehouse: {fallback: spare}}\n"


class Hole:
    """A port that takes connections, says nothing and counts them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def has_taken(self, count: int) -> bool:
        """Whether there were exactly so many connections: what was opened before is taken by and by."""
        until(lambda: len(self._open) >= count, f"connection {count}")
        return len(self._open) == count

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self._open.append(self._listener.accept()[0])

    def close(self) -> None:
        """Give the port back."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._listener, *self._open):
            each.close()


@pytest.fixture
def hole() -> Iterator[Hole]:
    made = Hole()
    yield made
    made.close()


@pytest.fixture
def silent(hole: Hole, database: Database) -> Iterator[Engine]:
    """The test's database, as if a firewall swallowed the way to it."""
    url = database.engine.url.set(port=hole.port)
    engine = create_engine(url, connect_args={"connect_timeout": 2})
    yield engine
    engine.dispose()


def strike(database: Database, silent: Engine, project: Path, try_number: int = 1, **observed: float) -> Strike:
    migrate(database.engine)
    policy = project / "governance" / "policies" / "alternatives.yaml"
    policy.parent.mkdir(parents=True)
    policy.write_text(_FALLBACK, encoding="utf-8")
    responder = Responder(
        store=lambda: database.engine,
        engine_of={"warehouse": silent, "spare": database.engine}.__getitem__,
        target="warehouse",
        patterns=_PATTERNS,
        spool=Spool(project / "spool"),
        project=project,
        home=project,
    )
    this = TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=1)
    where = Circumstances(engine="postgresql", target="warehouse", observed=observed)
    impact = Impact(domain="market")
    for number in range(1, try_number + 1):
        response = responder.respond(
            _FAULT, replace(this, try_number=number), impact, has_try_left=True, circumstances=where
        )
    return response.strike


def test_a_strike_waits_once(database: Database, silent: Engine, hole: Hole, tmp_path: Path) -> None:
    found = strike(database, silent, tmp_path)
    assert [(each.remedy, each.is_done, each.report) for each in found.remedies] == [
        ("reset_connections", False, _NOT_AGAIN),
        ("refresh_credentials", False, _NOT_AGAIN),
    ]
    assert hole.has_taken(1)
    with pytest.raises(OperationalError):
        silent.connect()
    assert hole.has_taken(2), "nothing of it stays after the strike"


def test_what_the_measuring_learnt_is_known(database: Database, silent: Engine, hole: Hole, tmp_path: Path) -> None:
    observed = observe_database(lambda: silent)
    assert observed == {"is_database_reachable": 0, "is_database_silent": 1}
    assert hole.has_taken(1)
    found = strike(database, silent, tmp_path, try_number=2, **observed)
    assert hole.has_taken(1)
    (alternative,) = [each.alternative for each in found.remedies if each.is_done]
    assert alternative is not None
    assert (alternative.kind, alternative.instead) == (AlternativeKind.FALLBACK, "spare")


def test_one_that_answered_is_asked_again_so_that_changes_are_undone(database: Database, hole: Hole) -> None:
    port, is_away = database.engine.url.port, False
    engine = create_engine(database.engine.url)

    def swallow(_dialect: object, _record: object, _arguments: object, options: dict[str, object]) -> None:
        options |= {"port": hole.port, "connect_timeout": 2} if is_away else {"port": port}

    event.listen(engine, "do_connect", swallow)
    with learnt_once(engine, "warehouse"):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        is_away = True
        engine.dispose()
        with pytest.raises(OperationalError):
            engine.connect()
        is_away = False
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_only_the_pools_own_way_is_refused(silent: Engine, database: Database) -> None:
    with learnt_once(silent, "warehouse", is_silent=True):
        with pytest.raises(TargetSilentError, match="`warehouse` did not answer"):
            silent.connect()
        with pytest.raises(TargetSilentError):
            create_engine(silent.url, pool=silent.pool.recreate()).connect()
        with database.engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
