"""`groundwork notify`: what it sends, shows and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundwork.cli import notify
from groundwork.model.errors import ConfigError
from groundwork.operators.incidents.notify import deliver
from groundwork.orbt.incidents.notifications import Message
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
_POLICY = """
kind: notifications
version: 1.0.0
channels: {log: {kind: log}, team: {kind: slack, connection: nowhere}}
routes: [{channels: [log, team]}]
"""


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    migrate(database.engine)
    policies = tmp_path / "governance" / "policies"
    policies.mkdir(parents=True)
    (policies / "notifications.yaml").write_text(_POLICY)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(tmp_path))
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    return database


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(notify.app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_channel_is_tried(store: Database) -> None:
    assert call("test", "log") == "log: written to the log\n"
    assert json.loads(call("test", "log", "--json")) == {"channel": "log", "answer": "written to the log"}


@pytest.mark.parametrize("channel", ["team", "nobody"])
def test_a_channel_that_does_not_work_is_told(store: Database, channel: str) -> None:
    done = CliRunner().invoke(notify.app, ["test", channel])
    assert isinstance(done.exception, ConfigError)
    assert channel in str(done.exception)


def test_what_was_told_is_listed_and_what_failed_is_a_finding(store: Database) -> None:
    assert call("list", "--failing") == ""
    deliver(store.engine, Message(subject="s 1", event="task_failed", title="Failed: a / b", text="t"))
    told = json.loads(call("list", "--json"))
    assert {row["channel"]: row["state"] for row in told} == {"log": "sent", "team": "failed"}
    failing = call("list", "--failing", code=1)
    assert "team" in failing
    assert "log " not in failing
