"""`groundwork remedies`: shown, tried dry, run, followed and undone by a person, and audited."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from groundwork.cli import remedies
from groundwork.model.errors import ConfigError
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from groundwork.store.target_identity import TargetIdentities
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """A store that is the warehouse too, with a table that misses an index, in a project that allows any table."""
    migrate(database.engine)
    policy = tmp_path / "governance" / "policies" / "remedies.yaml"
    policy.parent.mkdir(parents=True)
    rule = "{create_index: {mode: propose, hours: {start: '00:00', end: '00:00'}, settings: {any_table: true}}}"
    policy.write_text(f"kind: remedies\nversion: 1.0.0\nremedies: {rule}\n", encoding="utf-8")
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE orders AS SELECT id FROM generate_series(1, 50000) AS id"))
        connection.execute(text("ANALYZE orders"))
    (tmp_path / "slow.sql").write_text("SELECT * FROM orders WHERE id = 7;\n", encoding="utf-8")
    return database


def call(*words: str, code: int = 0, answer: str | None = None) -> str:
    done = CliRunner().invoke(remedies.app, list(words), input=answer, catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def indexes(store: Database) -> list[str]:
    with store.engine.connect() as connection:
        query = text("SELECT indexname FROM pg_indexes WHERE tablename = 'orders'")
        return list(connection.execute(query).scalars())


def test_every_remedy_is_listed_and_shown(store: Database) -> None:
    listed = json.loads(call("list", "--json"))
    assert {"create_index", "end_blockers", "explain_statement"} <= {each["name"] for each in listed}
    assert "create_index             propose" in call("list")
    shown = call("show", "create_index")
    assert "hours: 00:00 to 00:00 UTC" in shown
    assert "way back: the index is dropped" in shown
    with pytest.raises(ConfigError, match="no such remedy"):
        call("show", "pray")


def test_a_person_plans_runs_follows_and_undoes_a_remedy(store: Database, tmp_path: Path) -> None:
    words = ("create_index", "--statement-file", str(tmp_path / "slow.sql"))
    assert "would: CREATE INDEX CONCURRENTLY" in call("plan", *words)
    call("run", *words, code=1, answer="n\n")
    assert indexes(store) == []
    assert "created the index ix_orders_id_orbt" in call("run", *words, answer="y\n")
    assert indexes(store) == ["ix_orders_id_orbt"]
    (row,) = json.loads(call("runs", "--json", "--state", "done"))
    assert row["asked_by"].startswith("cli:")
    assert "create_index on warehouse for cli.create_index try 1 asked for by cli:" in call("runs")
    call("undo", str(row["id"]), code=1, answer="n\n")
    undone = json.loads(call("undo", str(row["id"]), "--yes", "--json"))
    assert undone["is_undone"]
    assert indexes(store) == []
    assert [each["action"] for each in AuditTrail(store.engine).latest()] == ["remedy_undone", "remedy_run"]
    with pytest.raises(ConfigError, match="cannot be undone"):
        call("undo", str(row["id"]), "--yes")


def test_what_cannot_be_done_is_told_by_the_exit_code(store: Database) -> None:
    told = json.loads(call("run", "create_index", "--yes", "--json", code=1))
    assert told["report"] == "the failure does not tell which statement it was"
    with pytest.raises(ConfigError, match="no such state"):
        call("runs", "--state", "odd")


def test_a_person_says_which_database_stands_behind_a_connection(store: Database) -> None:
    identities = TargetIdentities(store.engine)
    assert "`warehouse` is `test_" in call("trust", "warehouse")
    known = identities.of("warehouse")
    assert known is not None
    identities.trust("warehouse", replace(known, database_oid=1), "test")
    call("trust", "warehouse", code=1, answer="n\n")
    assert identities.of("warehouse") != known
    call("trust", "warehouse", "--yes")
    assert identities.of("warehouse") == known
    assert AuditTrail(store.engine).latest()[0]["action"] == "target_trusted"


def test_a_policy_that_cannot_be_read_is_told_without_a_traceback(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "governance" / "policies" / "remedies.yaml").write_text(
        "kind: remedies\nversion: 1.0.0\nremedis: {}\n", encoding="utf-8"
    )
    with caplog.at_level("INFO"):
        assert "could not: this policy cannot be read" in call("run", "reset_connections", "--yes", code=1)
    assert "remedies.yaml:3:1" in caplog.text
    assert "Traceback" not in caplog.text


def test_the_policy_of_the_project_is_valid() -> None:
    from groundwork.orbt.remedies.catalogue import REMEDIES, remedy
    from groundwork.orbt.remedies.policy import read_permission

    for name in REMEDIES:
        found = remedy(name)
        assert found.name == name
        assert found.summary
        assert found.way_back
        assert found.limits.seconds > 0
        assert read_permission(found, PROJECT).mode in ("run", "propose", "never")
