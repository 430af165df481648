"""`groundwork audit`: what it prints and how it exits."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from groundwork.cli import audit
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    migrate(database.engine)
    trail = AuditTrail(database.engine)
    for number in (1, 2, 3):
        trail.append(actor="test", action="thing_done", subject=f"thing {number}")
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    return database


def test_an_intact_trail_exits_with_0(store: Database) -> None:
    done = CliRunner().invoke(audit.app, ["verify"])
    assert (done.exit_code, done.stdout.strip()) == (0, "the audit trail is intact: 3 events")


def test_a_broken_trail_exits_with_1_and_says_where(store: Database) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event DISABLE TRIGGER USER"))
        connection.execute(text("DELETE FROM groundwork.audit_event WHERE sequence = 2"))
    done = CliRunner().invoke(audit.app, ["verify", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["broken_at"] == 3
    assert "broken at event 3" in CliRunner().invoke(audit.app, ["verify"]).stdout


def test_the_newest_events_come_first(store: Database) -> None:
    done = CliRunner().invoke(audit.app, ["list", "--limit", "2", "--json"])
    assert [event["subject"] for event in json.loads(done.stdout)] == ["thing 3", "thing 2"]
    lines = CliRunner().invoke(audit.app, ["list"]).stdout.splitlines()
    assert len(lines) == 4
    assert lines[1].split()[0] == "3"
