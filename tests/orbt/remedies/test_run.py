"""The runner: never against policy, never twice, never on the wrong database, never left half done."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, RemedyResult, TaskTry
from groundwork.orbt.remedies.recover import recover, take_back
from groundwork.orbt.remedies.remedy import Limits
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.base import utc_now
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from groundwork.store.target_identity import Identity, TargetIdentities
from tests.fix_postgres import Database
from tests.orbt.remedies import fix_remedies
from tests.orbt.remedies.fix_scene import scene_on
from tests.orbt.remedies.fix_steady_time import time_is_up_when, wait_for_what_was_stopped
from tests.patience import PATIENCE_SECONDS, is_asleep, until

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def prepared(module_database: Database) -> Engine:
    migrate(module_database.engine)
    with module_database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE probe (id int)"))
        connection.execute(text("CREATE TABLE undone (id int, place serial)"))
    return module_database.engine


@pytest.fixture
def engine(prepared: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database that is target and store at once, with the remedies of the test known; nothing has run there yet."""
    fix_remedies.install(monkeypatch)
    yield prepared
    fix_remedies.leave.set()
    fix_remedies.catalogue.remedy.cache_clear()
    with prepared.begin() as connection:
        connection.execute(text("TRUNCATE probe, undone, groundwork.remedy_run, groundwork.target_identity"))


def probe(engine: Engine, row: int = 1, *, name: str = "probe", **options: Any) -> RemedyResult:
    settings = {"row": row, **{key: options.pop(key) for key in ("then", "undo", "obstacle") if key in options}}
    asked_by = options.pop("asked_by", None)
    task_try = TaskTry(dag_id="drill", run_id=options.pop("run_id", f"r{row}"), task_id="load", try_number=1)
    whole = {"store": engine, "settings": settings, "task_try": task_try, **options}
    return run(name, scene_on(engine, **whole), asked_by=asked_by)


def rows(engine: Engine, table: str = "probe") -> list[int]:
    order = "place" if table == "undone" else "id"
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT id FROM {table} ORDER BY {order}")).scalars())


def states(engine: Engine) -> list[str]:
    return [row["state"] for row in RemedyRuns(engine).latest()]


def sessions(engine: Engine) -> list[str]:
    query = "SELECT application_name FROM pg_stat_activity WHERE starts_with(application_name, 'groundwork:remedy')"
    with engine.connect() as connection:
        return list(connection.execute(text(query)).scalars())


def policy(folder: Path, remedies: str) -> Path:
    path = folder / "governance" / "policies" / "remedies.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"kind: remedies\nversion: 1.0.0\nremedies: {remedies}\n", encoding="utf-8")
    return folder


def test_what_was_done_is_told_kept_and_not_done_again(engine: Engine) -> None:
    result = probe(engine)
    assert result.is_done
    assert result.report == "added"
    assert result.alternative is not None
    assert rows(engine) == [1, 101]
    (row,) = RemedyRuns(engine).latest()
    assert (row["state"], row["remedy"], row["target"], row["asked_by"]) == ("done", "probe", "warehouse", "orbt")
    assert [change["facts"] for change in row["changes"]] == [{"row": 1}, {"row": 101}]
    assert probe(engine) == result, "the same try of the same task: told again"
    assert rows(engine) == [1, 101]
    assert probe(engine, run_id="another").is_done
    assert rows(engine) == [1, 1, 101, 101]
    until(lambda: not sessions(engine), "the end of its sessions")


@pytest.mark.parametrize(
    ("then", "told"), [("fail", "could not: a bug in a remedy"), ("refuse", "nothing better"), ("exit", "SystemExit")]
)
def test_what_fails_is_undone_newest_first_and_told(engine: Engine, then: str, told: str) -> None:
    result = probe(engine, then=then)
    assert not result.is_done
    assert told in result.report
    assert "hunter2" not in result.report
    assert "took away 1" in result.report
    assert [change.is_undone for change in result.changes] == [True]
    assert rows(engine) == []
    assert states(engine) == ["undone"]
    again = probe(engine, then="")
    assert again.is_done, "a failed try may be repeated"


def test_several_changes_are_undone_from_the_newest(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fix_remedies.Probe, "limits", Limits(seconds=1, blast_radius="the table probe"))
    time_is_up_when(monkeypatch, fix_remedies.entered.is_set, least_grace=0.1)
    found = probe(engine, then="late")
    fix_remedies.leave.set()
    assert "was not done in 1 s" in found.report
    wait_for_what_was_stopped()
    assert rows(engine) == [], "what the thread does later is refused"
    assert len(RemedyRuns(engine).latest()[0]["changes"]) == 1


def test_what_hangs_on_the_server_is_ended_there(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fix_remedies.Probe, "limits", Limits(seconds=1, blast_radius="the table probe"))
    time_is_up_when(monkeypatch, lambda: is_asleep(engine))
    result = probe(engine, then="sleep on the server")
    assert not result.is_done
    assert "was not done in 1 s and was stopped" in result.report
    until(lambda: not sessions(engine), "the end of its sessions")
    assert rows(engine) == []
    assert rows(engine, "undone") == [1]


def test_two_at_once_run_once(engine: Engine) -> None:
    found: list[RemedyResult] = []
    thread = threading.Thread(target=lambda: found.append(probe(engine, then="wait")))
    thread.start()
    assert fix_remedies.entered.wait(PATIENCE_SECONDS)
    second = probe(engine, row=2)
    elsewhere = probe(engine, row=3, store=None, name="look")
    fix_remedies.leave.set()
    thread.join(PATIENCE_SECONDS)
    assert second.report == "the remedy is running on `warehouse` already"
    assert elsewhere.is_done
    assert found[0].is_done
    assert rows(engine) == [1, 101]
    assert probe(engine, row=2).is_done


def test_two_stores_do_not_run_it_twice_on_one_target(engine: Engine, postgres: Any) -> None:
    other = Database(name="other", url="", engine=engine, server=postgres)
    found: list[RemedyResult] = []
    thread = threading.Thread(target=lambda: found.append(probe(engine, then="wait")))
    with other.server.connect() as admin:
        admin.execute("CREATE DATABASE other_store OWNER groundwork_test")
    store = create_engine(engine.url.set(database="other_store"))
    try:
        migrate(store)
        thread.start()
        assert fix_remedies.entered.wait(PATIENCE_SECONDS)
        second = probe(engine, row=2, store=store)
        assert second.report == "the remedy is running there already"
        assert states(store) == ["refused"]
    finally:
        fix_remedies.leave.set()
        thread.join(PATIENCE_SECONDS)
        store.dispose()
        with other.server.connect() as admin:
            admin.execute("DROP DATABASE other_store WITH (FORCE)")
    assert rows(engine) == [1, 101]


def test_another_database_behind_the_same_connection_is_refused_until_a_person_trusts_it(engine: Engine) -> None:
    identities = TargetIdentities(engine)
    assert probe(engine).is_done
    known = identities.of("warehouse")
    assert known is not None
    assert known.system_identifier
    for wrong in (replace(known, system_identifier="1"), replace(known, database_oid=1), replace(known, database="x")):
        identities.trust("warehouse", wrong, "test")
        result = probe(engine, row=2)
        assert not result.is_done
        assert "another database stands behind `warehouse`" in result.report
        assert "groundwork remedies trust warehouse" in result.report
    identities.trust("warehouse", known, "person:ann")
    assert rows(engine) == [1, 101]
    assert probe(engine, row=2).is_done


def test_an_identity_that_is_half_known_is_compared_as_far_as_it_is() -> None:
    whole = Identity(database="a", database_oid=1, system_identifier="7")
    assert whole.is_same(replace(whole, system_identifier=None))
    assert not whole.is_same(replace(whole, system_identifier=None, database_oid=2))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{probe: {mode: never}}", "policy forbids it"),
        ("{probe: {targets: [elsewhere]}}", "policy allows it on elsewhere, not on `warehouse`"),
        ("{probe: {mode: propose}}", "proposed: add the row 1"),
        ("{probe: {mode: often}}", "could not: this policy cannot be read"),
        ("{prob: {mode: never}}", "could not: this policy cannot be read"),
    ],
)
def test_policy_is_obeyed(engine: Engine, tmp_path: Path, rule: str, told: str) -> None:
    result = probe(engine, project=policy(tmp_path, rule))
    assert not result.is_done
    assert result.report == told
    assert rows(engine) == []
    assert RemedyRuns(engine).latest() == []


def test_outside_its_hours_it_does_not_run(engine: Engine, tmp_path: Path) -> None:
    start, end = (f"{utc_now() + timedelta(hours=hours):%H:%M}" for hours in (6, 7))
    rule = f'{{probe: {{hours: {{start: "{start}", end: "{end}", zone: UTC}}}}}}'
    assert probe(engine, project=policy(tmp_path, rule)).report == f"policy allows it from {start} to {end} UTC"
    assert RemedyRuns(engine).latest() == []


def test_a_person_may_run_what_policy_only_proposes_and_not_what_it_forbids(engine: Engine, tmp_path: Path) -> None:
    project = policy(tmp_path, "{probe: {mode: propose}}")
    assert probe(engine, project=project, asked_by="person:ann").is_done
    assert RemedyRuns(engine).latest()[0]["asked_by"] == "person:ann"
    forbidden = probe(engine, project=policy(tmp_path, "{probe: {mode: never}}"), asked_by="person:ann")
    assert forbidden.report == "policy forbids it"


def test_policy_gives_limits_and_settings(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time_is_up_when(monkeypatch, lambda: is_asleep(engine))
    project = policy(tmp_path, '{probe: {seconds: 0.5, settings: {row: 7, then: "sleep on the server"}}}')
    scene = scene_on(engine, store=engine, project=project)
    result = run("probe", scene)
    assert "was not done in 0.5 s" in result.report
    assert rows(engine, "undone") == [7]


def test_nothing_is_written_to_the_store_unless_policy_names_it(engine: Engine, tmp_path: Path) -> None:
    own = Circumstances(engine="postgresql", target="groundwork_store")
    assert "Groundwork's own" in probe(engine, circumstances=own).report
    assert rows(engine) == []
    project = policy(tmp_path, "{probe: {targets: [groundwork_store]}}")
    assert probe(engine, circumstances=own, project=project).is_done


def test_while_the_store_is_away_only_what_can_do_without_it_runs(engine: Engine) -> None:
    away = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/x", connect_args={"connect_timeout": 2})
    for store in (None, away):
        assert "the store is away" in probe(engine, store=store).report
        looked = probe(engine, name="look", store=store)
        assert looked.is_done
        assert looked.report.startswith("looked as groundwork:remedy:")
    assert rows(engine) == []


def test_a_dry_run_changes_nothing_even_when_the_remedy_would(engine: Engine, tmp_path: Path) -> None:
    scene = scene_on(engine, store=engine, settings={"row": 1})
    assert dry_run("probe", scene).report == "would: add the row 1"
    written = dry_run("probe", replace(scene, settings={"row": 1, "then": "write in the plan"}))
    assert "read-only transaction" in written.report
    forbidden = dry_run("probe", replace(scene, project=policy(tmp_path, "{probe: {mode: never}}")))
    assert forbidden.report == "policy forbids it; would otherwise: add the row 1"
    assert dry_run("probe", replace(scene, settings={"row": 1, "obstacle": "not here"})).report == "not here"
    assert rows(engine) == []
    assert RemedyRuns(engine).latest() == []


def test_a_precondition_that_does_not_hold_is_told(engine: Engine) -> None:
    result = probe(engine, obstacle="not here")
    assert (result.is_done, result.report, result.changes) == (False, "not here", ())
    assert states(engine) == ["refused"]


def test_what_a_killed_process_left_is_undone_once(engine: Engine, module_database: Database, tmp_path: Path) -> None:
    url = module_database.url
    script = f"from tests.orbt.remedies.fix_remedies import die_in_the_middle as die; die({url!r}, 0.1)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=False, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == -9
    assert rows(engine) == [1]
    runs = RemedyRuns(engine)
    assert recover(engine, lambda _: engine, tmp_path, tmp_path) == [], "its time is not up"
    assert probe(engine, row=2).report == "the remedy is running on `warehouse` already"
    with engine.begin() as connection:
        connection.execute(text("UPDATE groundwork.remedy_run SET expires_at = now()"))
    found: list[Any] = []

    def sweep() -> None:
        found.extend(recover(engine, lambda _: engine, tmp_path, tmp_path))

    sweeps = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in sweeps:
        thread.start()
    for thread in sweeps:
        thread.join()
    assert [(each.remedy, each.target, each.is_undone) for each in found] == [("probe", "warehouse", True)]
    assert rows(engine) == []
    assert rows(engine, "undone") == [1]
    assert [row["state"] for row in runs.latest()] == ["abandoned"]
    assert recover(engine, lambda _: engine, tmp_path, tmp_path) == []


def test_the_next_run_undoes_first_what_a_dead_one_left(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = RemedyRuns(engine)
    scene = scene_on(engine)
    kept = {"fault": vars(scene.fault), "circumstances": vars(scene.circumstances)}
    key = {"token": "t", "holder": "dead", "seconds": -1.0, "scene": kept}
    left = runs.begin("probe", "warehouse", scene.task_try, **key)
    assert left is not None
    assert runs.will(left, "dead", {"what": "add the row 5", "facts": {"row": 5}, "is_undone": False})
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO probe VALUES (5)"))
    assert probe(engine).is_done
    assert rows(engine) == [1, 101]
    assert not runs.will(left, "dead", {}), "a process that wakes up again has lost its lease"
    assert not runs.end(left, "dead", "done", report="")
    assert states(engine) == ["done", "abandoned"]


def test_what_cannot_be_undone_is_tried_again_and_at_last_left_to_a_person(engine: Engine, tmp_path: Path) -> None:
    result = probe(engine, then="fail", undo="fails")
    assert "NOT undone: add the row 1 (cannot)" in result.report
    assert [change.is_undone for change in result.changes] == [False]
    project = policy(tmp_path, '{probe: {settings: {undo: "fails"}}}')
    for _ in range(5):
        (found,) = recover(engine, lambda _: engine, project, project)
        assert not found.is_undone
    assert "left to a person" in found.report
    assert states(engine) == ["failed"]
    assert rows(engine) == [1]


def test_what_failed_to_be_undone_is_undone_by_the_sweep(engine: Engine, tmp_path: Path) -> None:
    probe(engine, then="fail", undo="fails")
    identities = TargetIdentities(engine)
    known = identities.of("warehouse")
    assert known is not None
    identities.trust("warehouse", replace(known, database_oid=1), "test")
    (refused,) = recover(engine, lambda _: engine, tmp_path, tmp_path)
    assert "another database stands behind" in refused.report
    assert rows(engine) == [1], "nothing is undone on the wrong database"
    identities.trust("warehouse", known, "test")
    (found,) = recover(engine, lambda _: engine, tmp_path, tmp_path)
    assert found.is_undone
    assert rows(engine) == []


def test_a_policy_that_cannot_be_read_keeps_nothing_from_being_undone(engine: Engine, tmp_path: Path) -> None:
    probe(engine, then="fail", undo="fails")
    (found,) = recover(engine, lambda _: engine, policy(tmp_path, "{prob: {mode: never}}"), tmp_path)
    assert found.is_undone
    assert rows(engine) == []


def test_a_person_takes_back_what_was_done(engine: Engine, tmp_path: Path) -> None:
    probe(engine)
    (row,) = RemedyRuns(engine).latest()
    found = take_back(engine, row["id"], lambda _: engine, tmp_path, tmp_path)
    assert found.is_undone
    assert rows(engine, "undone") == [101, 1]
    assert states(engine) == ["undone"]
    with pytest.raises(ConfigError, match="cannot be undone"):
        take_back(engine, row["id"], lambda _: engine, tmp_path, tmp_path)
    with pytest.raises(ConfigError, match="no such run"):
        take_back(engine, 999, lambda _: engine, tmp_path, tmp_path)


def test_a_run_that_lost_its_lease_makes_no_further_change_and_undoes_its_own(engine: Engine) -> None:
    found: list[RemedyResult] = []
    thread = threading.Thread(target=lambda: found.append(probe(engine, then="wait")))
    thread.start()
    assert fix_remedies.entered.wait(PATIENCE_SECONDS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE groundwork.remedy_run SET holder = 'the sweep'"))
    fix_remedies.leave.set()
    thread.join(PATIENCE_SECONDS)
    assert "the lease was lost" in found[0].report
    assert not found[0].is_done
    assert rows(engine) == []


@pytest.mark.parametrize(("name", "is_done"), [("probe", False), ("look", True)])
def test_a_target_that_stops_answering_does_not_hold_up_for_ever(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, name: str, is_done: bool
) -> None:
    monkeypatch.setattr("groundwork.orbt.remedies.target._TARGET_SECONDS", 1)
    with swallowing(engine.url.port or 0, b"advisory") as port:
        silent = create_engine(engine.url.set(port=port))
        result = run(name, scene_on(silent, store=engine, settings={"row": 1}))
        silent.dispose()
    assert result.is_done is is_done
    assert is_done or result.report == "could not: it was not done in 1 s and was stopped"
    assert rows(engine) == []


@contextmanager
def swallowing(port: int, word: bytes) -> Iterator[int]:
    """A way to a server, its port, on which whatever holds `word` gets lost, and everything after it."""

    def forward(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if word in data:
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                opened.append(client)
                server = socket.create_connection(("127.0.0.1", port))
                opened.append(server)
                for pair in ((client, server), (server, client)):
                    threads.append(threading.Thread(target=forward, args=pair))
                    threads[-1].start()

    opened: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))
    threads = [threading.Thread(target=serve)]
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        threads[0].join()
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for each in (listener, *opened):
            each.close()


def test_a_change_that_cannot_be_put_on_record_is_undone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundwork.orbt.remedies.run._END_PAUSE_SECONDS", 0.01)
    found: list[RemedyResult] = []
    thread = threading.Thread(target=lambda: found.append(probe(engine, then="wait")))
    thread.start()
    assert fix_remedies.entered.wait(PATIENCE_SECONDS)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.remedy_run RENAME COLUMN report TO gone"))
    fix_remedies.leave.set()
    thread.join(PATIENCE_SECONDS)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.remedy_run RENAME COLUMN gone TO report"))
    assert not found[0].is_done
    assert "could not be put on record" in found[0].report
    assert found[0].alternative is None
    assert rows(engine) == []
