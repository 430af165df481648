"""`groundwork knowledge`: what it shows, keeps and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundwork.cli import knowledge
from groundwork.model.errors import ConfigError
from groundwork.model.fault import Circumstances, Fault, Impact, TaskTry
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.response import Responder
from groundwork.orbt.spool import Spool
from groundwork.orbt.strike_book import StrikeBook
from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
PROJECT = Path(__file__).parents[2]
CLASS = "connection_failures"


@pytest.fixture
def store(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """A store in which one strike healed."""
    migrate(database.engine)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(PROJECT))
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    patterns = read_patterns(PROJECT / "governance" / "patterns")
    responder = Responder(
        store=lambda: database.engine,
        engine_of=lambda _: database.engine,
        target="warehouse",
        patterns=patterns,
        spool=Spool(tmp_path),
        project=tmp_path,
        home=tmp_path,
    )
    fault = Fault(fault_class=CLASS, exception="psycopg.OperationalError", message="server closed the connection")
    task_try = TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=1)
    where = Circumstances(table="market.prices")
    responder.respond(fault, task_try, Impact(domain="market"), has_try_left=True, circumstances=where)
    again = TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=2)
    StrikeBook(database.engine, patterns).succeeded(again)
    return database


def call(*words: str) -> str:
    done = CliRunner().invoke(knowledge.app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: str) -> str:
    done = CliRunner().invoke(knowledge.app, list(words))
    assert isinstance(done.exception, ConfigError), done.output
    return str(done.exception)


def test_show_ranks_remedies_and_tells_what_would_be_tried(store: Database) -> None:
    shown = call("show", CLASS, "--table", "market.prices")
    assert "reset_connections" in shown
    assert "strike 1 would try: retry with backoff, reset_connections, refresh_credentials" in shown
    told = json.loads(call("show", CLASS, "--json"))
    assert {each["remedy"] for each in told["ranking"]} == {"reset_connections", "refresh_credentials"}
    assert "nothing was tried yet" in call("show", "slow_queries")


def test_lessons_change_what_is_tried_and_are_audited(store: Database) -> None:
    assert "lesson 1" in call("teach", CLASS, "refresh_credentials", "works", "--because", "rotated nightly")
    shown = call("show", CLASS)
    assert "proven" in shown
    assert "strike 1 would try: refresh_credentials\n" in shown
    assert "rotated nightly" in shown
    call("withdraw", "1", "--because", "rotated weekly now")
    assert "(withdrawn: rotated weekly now)" in call("show", CLASS)
    assert [row["action"] for row in AuditTrail(store.engine).latest(2)] == ["lesson_withdrawn", "lesson_taught"]


def test_search_finds_by_words_table_and_pattern(store: Database) -> None:
    assert "strike 1" in call("search", "closed connection", "--table", "market.prices")
    assert len(json.loads(call("search", "--pattern", CLASS, "--json"))) == 2
    done = CliRunner().invoke(knowledge.app, ["search", "no such words"])
    assert done.exit_code == 1
    assert "nothing is known" in done.stderr


def test_an_outcome_is_corrected_by_its_strike(store: Database) -> None:
    number = json.loads(call("search", "--json"))[0]["origin"].split()[1]
    call("teach", CLASS, "reset_connections", "fails", "--strike", number, "--because", "it was the restart")
    found = {each["remedy"]: each["verdict"] for each in json.loads(call("search", "--json"))}
    assert found["reset_connections"] == "fails"


def test_everything_known_is_exported(store: Database, tmp_path: Path) -> None:
    file = tmp_path / "known.jsonl"
    assert "2 trials" in call("export", str(file))
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["table"] for row in rows} == {"market.prices"}


def test_what_cannot_be_is_refused_with_what_there_is(store: Database) -> None:
    assert "slow_queries" in refused("show", "slow_querys")
    assert "reset_connections" in refused("teach", CLASS, "reboot", "works", "--because", "x")
    assert "works, fails, harmful" in refused("teach", CLASS, "reset_connections", "maybe", "--because", "x")
    assert "no such strike" in refused("teach", CLASS, "reset_connections", "fails", "--strike", "99", "--because", "x")
    assert "still counts" in refused("withdraw", "99", "--because", "x")
