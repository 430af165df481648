"""PostgreSQL is killed under a running load; the retry policy sees it through, and not a row is lost or doubled.

Store and warehouse live on the server that dies, so that the strike has to wait in the spool.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.local.postgres import EmbeddedPostgres, free_port
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.patience import PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from airflow.sdk import RetryDecision

pytestmark = [pytest.mark.postgres, pytest.mark.airflow, pytest.mark.slow]
_ROWS = 150_000
_PATTERN = """
name: connection_failures
description: The server was gone.
signals: {sqlstates: ["08*", "57P01", "57P02", "57P03"], exceptions: [psycopg.OperationalError]}
backoff: {base_seconds: 2, factor: 2, max_seconds: 5}
strike_1: [{name: connection pool reset, remedy: reset_connections}]
"""


@dataclass(frozen=True)
class _Crash:
    """What happens in which order: the load is under way, the server is gone, its strike is answered, it is back."""

    started: threading.Event = field(default_factory=threading.Event)
    happened: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)
    mended: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    home = Path(tempfile.mkdtemp(prefix="groundwork-kill-"))
    home.chmod(0o755)
    server = EmbeddedPostgres(home=home / "postgres", port=free_port())
    server.start(PATIENCE_SECONDS)
    yield server
    server.stop("immediate")
    shutil.rmtree(server.place, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _load(url: str, crash: _Crash) -> int:
    """Fill the table anew in one transaction by COPY, in whose middle the server is killed once; rows written."""
    with psycopg.connect(url, application_name="groundwork:load") as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE prices")
        with cursor.copy("COPY prices (id, price) FROM STDIN") as copy:
            for number in range(_ROWS):
                copy.write_row((number, number / 7))
                if number == _ROWS // 3:
                    crash.started.set()
                    crash.happened.wait(PATIENCE_SECONDS)
    return _ROWS


@pytest.fixture
def store(server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Store and warehouse in one database of the server, known to Airflow; patterns that wait seconds."""
    from groundwork.operators import connections

    with server.connect() as admin:
        admin.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
        admin.execute("CREATE DATABASE app OWNER app")
    url = server.url("app", "app", "app")
    engine = create_engine(url, pool_pre_ping=True)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE prices (id bigint PRIMARY KEY, price double precision)"))
    (tmp_path / "governance" / "patterns").mkdir(parents=True)
    (tmp_path / "governance" / "patterns" / "connection_failures.yaml").write_text(_PATTERN, encoding="utf-8")
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setenv("GROUNDWORK_HOME", str(tmp_path / "home"))
    for name in ("WAREHOUSE", "GROUNDWORK_STORE"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", url.replace("postgresql+psycopg", "postgres"))
    connections.engine.cache_clear()
    yield engine
    connections.engine("warehouse").dispose()
    connections.engine("groundwork_store").dispose()
    connections.engine.cache_clear()
    engine.dispose()


@contextmanager
def _killed_and_restarted(server: EmbeddedPostgres) -> Iterator[_Crash]:
    """Kill the server as soon as the load is under way; it is back when its strike was answered."""
    crash = _Crash()

    def drill() -> None:
        crash.started.wait(PATIENCE_SECONDS)
        server.kill()
        until(lambda: not _processes(server), "the end of its processes")
        crash.happened.set()
        crash.answered.wait(PATIENCE_SECONDS)
        server.start(PATIENCE_SECONDS)
        crash.mended.set()

    thread = threading.Thread(target=drill)
    thread.start()
    try:
        yield crash
    finally:
        for event in (crash.started, crash.answered):
            event.set()
        thread.join()


def _processes(server: EmbeddedPostgres) -> list[psutil.Process]:
    place = str(server.data.resolve())
    return [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == place]


def _run_with_retries(url: str, crash: _Crash) -> tuple[int, list[RetryDecision]]:
    """What Airflow does with a task that has the policy: rows loaded, and each decision after a failure."""
    from groundwork.operators import listener
    from groundwork.operators.retry_policy import RETRIES, StrikePolicy

    policy = StrikePolicy()
    task = SimpleNamespace(
        domain="market", outlets=[], retry_policy=policy, get_flat_relative_ids=lambda upstream: {"gate"}
    )
    instance = SimpleNamespace(dag_id="load", run_id="r1", task_id="prices", map_index=-1, try_number=0, task=task)
    decisions: list[RetryDecision] = []
    for number in range(1, RETRIES + 2):
        instance.try_number = number
        try:
            loaded = _load(url, crash)
        except psycopg.Error as error:
            decisions.append(policy.evaluate(error, number, RETRIES, {"ti": instance}))
            assert decisions[-1].retry_delay is not None, decisions[-1].reason
            crash.answered.set()
            assert crash.mended.wait(PATIENCE_SECONDS), "the server is back before the next try"
        else:
            listener.on_task_instance_success(previous_state=None, task_instance=instance)
            return loaded, decisions
    raise AssertionError("the load did not heal")


def test_a_load_heals_when_the_server_is_killed_under_it(
    server: EmbeddedPostgres, store: Engine, tmp_path: Path
) -> None:
    with _killed_and_restarted(server) as crash:
        url = server.url("app", "app", "app").replace("+psycopg", "")
        loaded, decisions = _run_with_retries(url, crash)

    assert loaded == _ROWS
    assert decisions, "the server died under the load"
    with store.connect() as connection:
        count, distinct = connection.execute(text("SELECT count(*), count(DISTINCT id) FROM prices")).one()
    assert (count, distinct) == (_ROWS, _ROWS)
    strikes = Strikes(store).latest()
    assert len(strikes) == len(decisions), "the strike that found the store down came in later"
    assert {row["fault_class"] for row in strikes} == {"connection_failures"}
    assert strikes[0]["outcome"] == "healed"
    assert Incidents(store).latest() == []
    assert not list((tmp_path / "home" / "spool").glob("*"))
