"""`groundwork breakers`: what it shows, changes and refuses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from groundwork.cli import breakers
from groundwork.model.errors import ConfigError
from groundwork.store.audit import AuditTrail
from groundwork.store.breaker import BreakerRule, Breakers
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    migrate(database.engine)
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    return database


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(breakers.app, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_person_opens_and_closes_and_both_are_audited(store: Database) -> None:
    assert call("list") == "every breaker is closed\n"
    call("open", "connection:shop", "--because", "the vendor moves")
    assert "until a person closes it" in call("list", code=breakers.TROUBLED)
    (row,) = json.loads(call("list", "--json", code=breakers.TROUBLED))
    assert (row["target"], row["state"], row["is_held"]) == ("connection:shop", "open", True)
    assert json.loads(call("close", "connection:shop", "--because", "it moved", "--json"))["state"] == "closed"
    assert call("list") == "every breaker is closed\n"
    assert "connection:shop" in call("list", "--all")
    trail = AuditTrail(store.engine).latest()
    assert [(row["action"], row["subject"], row["details"]) for row in trail] == [
        ("breaker_closed", "connection:shop", {"because": "it moved"}),
        ("breaker_opened", "connection:shop", {"because": "the vendor moves"}),
    ]


def test_a_mistyped_connection_is_warned_of(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", "postgres://u:p@127.0.0.1:1/x")
    for target, is_warned in (("connection:shop", False), ("connection:shpo", True), ("source:https://a.b", False)):
        done = CliRunner().invoke(breakers.app, ["open", target, "--because", "x"], catch_exceptions=False)
        assert done.exit_code == 0
        assert ("has no connection `shpo`" in done.stderr) is is_warned


def test_what_failed_is_shown_with_why_and_when(store: Database) -> None:
    Breakers(store.engine).failed("connection:shop", by="x", rule=BreakerRule(threshold=1), reason="refused")
    shown = call("list", code=breakers.TROUBLED)
    assert "next probe at" in shown
    assert "refused" in shown


@pytest.mark.parametrize(
    ("words", "told"), [(("open", "shop"), "no target"), (("close", "connection:never"), "has no breaker")]
)
def test_what_cannot_be_done_is_told(store: Database, words: tuple[str, ...], told: str) -> None:
    done = CliRunner().invoke(breakers.app, [*words, "--because", "x"])
    assert isinstance(done.exception, ConfigError)
    assert told in str(done.exception)
