"""A replica, a fallback and kept answers are looked at before they are used; the replica here is a real standby."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.flow.sources.kept_answers import KeptAnswers, Question
from groundwork.local.postgres import SUPERUSER, EmbeddedPostgres, free_port
from groundwork.model.errors import ConfigError
from groundwork.model.fault import Alternative, AlternativeKind, Circumstances
from groundwork.orbt.remedies.connections import responses
from groundwork.orbt.remedies.connections.alternatives import UseFallback, UseReplica
from groundwork.orbt.remedies.connections.responses import ServeCachedResponse
from groundwork.orbt.remedies.remedy import Remedy, RemedyRefusedError, Scene
from groundwork.orbt.remedies.target import look
from groundwork.orbt.tries.alternative_policy import FILE
from groundwork.store.base import utc_now
from groundwork.store.migrate import migrate
from groundwork.store.target_identity import Identity, TargetIdentities
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on
from tests.patience import PATIENCE_SECONDS, until

pytestmark = pytest.mark.postgres
_POLICY = """
kind: alternatives
connections:
  warehouse: {replica: copy, fallback: other, max_lag_seconds: 60}
tables:
  market.orders: {max_lag_seconds: 0.000001}
readers: [ReadOperator]
responses: {max_age_hours: 2}
"""


_CHANGING = (
    "INSERT INTO t SELECT 1",
    "SELECT * INTO t FROM s",
    "SELECT 1 FOR UPDATE",
    "SELECT 1; DROP TABLE t",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
    "no sql at all",
    None,
)


@dataclass(frozen=True, kw_only=True)
class Servers:
    """A primary with its standby, a database on both, and the standby's server."""

    primary: Engine
    standby: Engine
    follower: EmbeddedPostgres


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="groundwork-standby-"))
    folder.chmod(0o755)
    primary, standby = (EmbeddedPostgres(home=folder / name, port=free_port()) for name in ("primary", "standby"))
    try:
        primary.start(PATIENCE_SECONDS)
        with primary.connect() as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")
            admin.execute("ALTER SYSTEM SET autovacuum = off")  # nothing is written that no test writes
            admin.execute("SELECT pg_reload_conf()")
            admin.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
            admin.execute("CREATE DATABASE app OWNER app")
        _copy(primary, standby)
        standby.start(PATIENCE_SECONDS)
        engines = [create_engine(server.url("app", "app", "app")) for server in (primary, standby)]
        yield Servers(primary=engines[0], standby=engines[1], follower=standby)
        for engine in engines:
            engine.dispose()
    finally:
        for server in (standby, primary):
            server.stop("immediate")
            shutil.rmtree(server.place, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _copy(primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
    standby.home.mkdir(parents=True)
    shutil.copy2(primary.home / "superuser-password", standby.home / "superuser-password")
    standby.place.mkdir(parents=True, exist_ok=True)
    owner = pwd.getpwnam(primary.system_user) if primary.system_user else None
    if owner is not None:
        os.chown(standby.place, owner.pw_uid, owner.pw_gid)
    program = str(primary.binaries / "pg_basebackup")
    whence = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", SUPERUSER)
    subprocess.run(
        [program, *whence, "-D", str(standby.data), "-R", "-c", "fast"],
        check=True, capture_output=True, cwd="/",
        user=owner.pw_uid if owner else None, group=owner.pw_gid if owner else None,
        extra_groups=[] if owner else None,
        env={"PATH": os.environ.get("PATH", ""), "PGPASSWORD": primary.superuser_password},
    )  # fmt: skip


class _Told:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.used: list[Alternative] = []
        self.lines: list[str] = []

    def will(self, what: str, **facts: Any) -> None:
        raise AssertionError("nothing is changed")

    def note(self, report: str) -> None:
        self.lines.append(report)

    def use(self, alternative: Alternative) -> None:
        self.used.append(alternative)

    def ask_person(self, why: str) -> None:
        raise AssertionError("nobody is asked")


@pytest.fixture
def scene(servers: Servers, tmp_path: Path) -> Callable[..., Scene]:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text(_POLICY, encoding="utf-8")

    def make(copy: Engine = servers.standby, other: Engine | None = None, **options: Any) -> Scene:
        known = {"copy": copy, "other": other}

        def engine_of(name: str) -> Engine:
            if known.get(name) is None:
                raise ConfigError(f"Airflow has no connection `{name}`")
            return known[name]  # type: ignore[return-value]

        where = Circumstances(engine="postgresql", target="warehouse", operation="ReadOperator")
        whole = {"circumstances": where, "engine_of": engine_of, **options}
        return scene_on(whole.pop("target", servers.primary), tmp_path, **whole)

    return make


def used(remedy: Remedy, found: Scene) -> Alternative:
    told = _Told()
    remedy.apply(found, told)
    (alternative,) = told.used
    assert alternative.instead in told.lines[0] or alternative.reason in told.lines[0]
    assert remedy.plan(found)
    return alternative


def refused(remedy: Remedy, found: Scene) -> str:
    with pytest.raises(RemedyRefusedError) as caught:
        remedy.apply(found, _Told())
    return str(caught.value)


def test_a_task_that_reads_goes_to_the_standby(scene: Callable[..., Scene]) -> None:
    found = used(UseReplica(), scene())
    assert (found.kind, found.names, found.instead) == (AlternativeKind.REPLICA, "warehouse", "copy")


def test_a_query_that_failed_shows_that_the_task_reads(scene: Callable[..., Scene]) -> None:
    nobody = Circumstances(engine="postgresql", target="warehouse", operation="SomeOperator")
    query = "SELECT * FROM market.orders WHERE id = %(id)s"
    assert used(UseReplica(), scene(circumstances=nobody, statement=query)).instead == "copy"
    for changing in _CHANGING:
        assert "nothing shows that the task only reads" in refused(
            UseReplica(), scene(circumstances=nobody, statement=changing)
        )


def test_a_standby_too_far_behind_is_refused(scene: Callable[..., Scene], servers: Servers) -> None:
    orders = Circumstances(engine="postgresql", target="warehouse", operation="ReadOperator", table="market.orders")

    def lags() -> bool:
        try:
            UseReplica().plan(scene(circumstances=orders))
        except RemedyRefusedError as refusal:
            return "s are allowed" in str(refusal)
        return False

    until(lambda: not lags(), "the moment when it has all there is, in which it lags by nothing")
    with servers.follower.connect() as admin:
        admin.execute("SELECT pg_wal_replay_pause()")
        try:
            with servers.primary.begin() as connection:
                connection.execute(text("CREATE TABLE news (id int)"))
            until(lags, "news that it has not taken in")
            assert "`copy` is behind by" in refused(UseReplica(), scene(circumstances=orders))
        finally:
            admin.execute("SELECT pg_wal_replay_resume()")
    until(lambda: not lags(), "the end of its lag")


def test_what_is_no_standby_is_refused(scene: Callable[..., Scene], servers: Servers) -> None:
    assert "no standby" in refused(UseReplica(), scene(copy=servers.primary))


def test_a_standby_of_another_database_is_refused(
    scene: Callable[..., Scene], servers: Servers, database: Database
) -> None:
    migrate(database.engine)
    identities = TargetIdentities(database.engine)
    with servers.primary.connect() as connection:
        identities.remember("warehouse", look(connection))
    assert used(UseReplica(), scene(store=database.engine)).instead == "copy"
    identities.trust("warehouse", Identity(database="app", database_oid=1, system_identifier="1"), "a test")
    assert "copy of another database" in refused(UseReplica(), scene(store=database.engine))


def test_what_is_not_declared_is_not_used(scene: Callable[..., Scene]) -> None:
    shop = Circumstances(engine="postgresql", target="shop", operation="ReadOperator")
    assert "no replica of `shop`" in refused(UseReplica(), scene(circumstances=shop))
    assert "no fallback of `shop`" in refused(UseFallback(), scene(circumstances=shop))
    assert "no connection `other`" in refused(UseFallback(), scene())
    unknown = Circumstances()
    for remedy in (UseReplica(), UseFallback(), ServeCachedResponse()):
        assert "not known" in refused(remedy, scene(circumstances=unknown))


def test_a_fallback_is_another_server_with_that_database_that_takes_writes(
    scene: Callable[..., Scene], servers: Servers, database: Database
) -> None:
    assert "the same server" in refused(UseFallback(), scene(other=servers.primary))
    assert "another database" in refused(UseFallback(), scene(other=database.engine))
    assert "takes no writes" in refused(UseFallback(), scene(other=servers.standby))
    away = create_engine(servers.primary.url.set(port=1))
    found = scene(other=servers.primary, target=away)
    alternative = used(UseFallback(), found)
    assert (alternative.kind, alternative.instead) == (AlternativeKind.FALLBACK, "other")
    missing = Circumstances(engine="postgresql", target="warehouse", table="market.nowhere")
    assert "has no table" in refused(UseFallback(), scene(other=servers.primary, target=away, circumstances=missing))


def test_a_policy_that_is_not_right_is_told(scene: Callable[..., Scene], tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("connections: {warehouse: {replica: warehouse}}", encoding="utf-8")
    assert "cannot stand in for itself" in refused(UseReplica(), scene())


def test_a_kept_answer_is_served_until_it_is_too_old(
    scene: Callable[..., Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Circumstances(target="rates", table="market.rates")
    assert "no answer of `rates` was kept" in refused(ServeCachedResponse(), scene(circumstances=api))
    writer = KeptAnswers(tmp_path / responses.FOLDER).writer(Question.of("rates", "market.rates", "/v1", {}))
    writer.add(b"[]")
    writer.keep()
    found = used(ServeCachedResponse(), scene(circumstances=api))
    assert (found.kind, found.names) == (AlternativeKind.CACHED_RESPONSE, "rates")
    assert "h ago" in found.reason
    monkeypatch.setattr(responses, "utc_now", lambda: utc_now() + timedelta(hours=3))
    assert "3 h old, 2 h are allowed" in refused(ServeCachedResponse(), scene(circumstances=api))
