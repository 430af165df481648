"""Nothing is changed on a standby; remedies that only look run there too. A real one, made with pg_basebackup."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.local.postgres import SUPERUSER, EmbeddedPostgres, free_port
from groundwork.orbt.remedies.run import dry_run, run
from groundwork.store.migrate import migrate
from groundwork.store.remedy_run import RemedyRuns
from groundwork.store.target_identity import TargetIdentities
from tests.fix_postgres import Database
from tests.orbt.remedies.fix_scene import scene_on
from tests.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
_SLOW = "SELECT * FROM pg_class WHERE relname = 'x'"


@pytest.fixture
def standby(module_database: Database) -> Iterator[Engine]:
    """The database of the test on a standby of its server."""
    migrate(module_database.engine)
    primary, home = module_database.server, Path(tempfile.mkdtemp(prefix="groundwork-standby-"))
    home.chmod(0o755)
    server = EmbeddedPostgres(home=home / "standby", port=free_port())
    server.home.mkdir()
    shutil.copy2(primary.home / "superuser-password", server.home / "superuser-password")
    server.place.mkdir(parents=True, exist_ok=True)
    account = pwd.getpwnam(primary.system_user) if primary.system_user else None
    if account is not None:
        os.chown(server.place, account.pw_uid, account.pw_gid)
    from_primary = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", SUPERUSER)
    subprocess.run(
        [str(primary.binaries / "pg_basebackup"), *from_primary, "-D", str(server.data), "-R", "-c", "fast"],
        check=True,
        capture_output=True,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGPASSWORD": primary.superuser_password},
    )
    server.start(PATIENCE_SECONDS)
    engine = create_engine(module_database.engine.url.set(port=server.port))
    try:
        yield engine
    finally:
        engine.dispose()
        server.stop("immediate")
        shutil.rmtree(server.place, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)


def test_what_changes_something_refuses_and_what_looks_runs(standby: Engine, module_database: Database) -> None:
    store = module_database.engine
    scene = scene_on(standby, store=store, statement=_SLOW)
    for name in ("analyze_tables", "create_index"):
        result = run(name, scene)
        assert not result.is_done
        assert result.report == "this is a standby, which cannot be changed"
    assert {row["state"] for row in RemedyRuns(store).latest()} == {"refused"}
    looked = run("explain_statement", scene)
    assert looked.is_done, looked.report
    assert dry_run("explain_statement", scene).report.startswith("would: EXPLAIN")
    assert run("end_blockers", scene).report == "no work of ours waits for a lock"
    known = TargetIdentities(store).of("warehouse")
    run("explain_statement", scene_on(store, store=store, statement=_SLOW))
    assert TargetIdentities(store).of("warehouse") == known, "a standby is the same database as its primary"
