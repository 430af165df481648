"""`groundwork incidents`: what it lists, shows, changes and refuses."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner

from groundwork.cli import incidents
from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer
from groundwork.model.incident import Severity
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database
from tests.pages import seed

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def incident_id(database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with one open incident."""
    migrate(database.engine)
    monkeypatch.setenv("GROUNDWORK_PROJECT", str(PROJECT))
    monkeypatch.setattr("groundwork.operators.connections.engine", lambda _: database.engine)
    return str(seed.incident(database.engine, severity=Severity.CRITICAL))


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(incidents.app, list(words))
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def refused(*words: str) -> str:
    done = CliRunner().invoke(incidents.app, list(words))
    assert isinstance(done.exception, ConfigError), done.output
    return str(done.exception)


def test_an_incident_from_its_opening_to_its_review(incident_id: str, database: Database) -> None:
    short = incident_id[:8]
    assert short in call("list", code=1)
    assert "open" in call("show", short)
    assert "`reset_connections, strike 3`" in call("show", short)
    assert call("acknowledge", short) == "acknowledged\n"
    call("acknowledge", short, code=1)
    assert "acknowledged" in call("list", code=1)
    assert call("list", "--stage", "open") == ""
    told = call("answer", short, "run_remedy", "--remedy", "refresh_credentials")
    assert told == "answered: run_remedy\nthe Dag `escalation_sweep` lets the waiting task go on\n"
    call("answer", short, "ignore", code=1)
    assert call("resolve", short, "--because", "the server is back").startswith("resolved\n")
    assert call("list") == ""
    assert "review open" in call("list", "--stage", "resolved")
    call("review", short, "--what-happened", "it fell over", "--cause", "disk", "--changed", "bigger disk")
    assert "review open" not in call("list", "--stage", "reviewed")
    row = Incidents(database.engine).latest()[0]
    assert row["review"] == {"what_happened": "it fell over", "cause": "disk", "changed": "bigger disk"}
    assert row["answer_details"] == {"remedy": "refresh_credentials"}
    assert [each["action"] for each in reversed(AuditTrail(database.engine).latest())] == [
        "incident_acknowledged", "incident_answered", "incident_resolved", "incident_reviewed",
    ]  # fmt: skip


def test_silence_answers_an_open_incident_and_can_be_ended(incident_id: str, database: Database) -> None:
    assert call("silence", incident_id, "--hours", "2").startswith("silenced for 2 h")
    row = Incidents(database.engine).latest()[0]
    assert (row["state"], row["answer"]) == ("answered", "silence")
    assert call("silence", incident_id, "--hours", "0") == "the silence is over\n"
    assert Incidents(database.engine).latest()[0]["silenced_until"] is None


def test_lists_are_narrowed(incident_id: str, database: Database) -> None:
    seed.incident(database.engine, "slow_queries", Severity.LOW)
    assert len(json.loads(call("list", "--json", code=1))) == 2
    for narrowed in (["--class", "slow_queries"], ["--severity", "high"], ["--stage", "open", "--limit", "1"]):
        assert len(json.loads(call("list", "--json", *narrowed, code=1))) == 1
    assert json.loads(call("list", "--json", "--domain", "nowhere")) == []


def test_what_is_cut_off_is_told_and_nothing_worse_is(incident_id: str, database: Database) -> None:
    seed.alike_incidents(database.engine, 5)
    for more in ((), ("--json",)):
        done = CliRunner().invoke(incidents.app, ["list", "--limit", "2", *more])
        assert done.exit_code == 1
        assert incident_id[:8] in done.stdout, "the worst is shown, though it is the oldest"
        assert "and 4 more" in done.stderr
    done = CliRunner().invoke(incidents.app, ["list", "--limit", "1", "--severity", "high"])
    assert incident_id[:8] in done.stdout
    assert done.stderr == "", "those that are not meant are not counted"


def test_as_json_everything_is_there(incident_id: str) -> None:
    told = json.loads(call("show", incident_id, "--json"))
    assert told["stage"] == "open"
    assert told["strikes"][0]["remedies"][0]["changes"][0]["what"] == "one session ended"
    figures = json.loads(call("figures", "--json"))
    assert [(each["fault_class"], each["incidents"], each["open"]) for each in figures] == [
        ("connection_failures", 1, 1)
    ]
    assert "connection_failures" in call("figures")


def test_what_makes_no_sense_is_refused_with_the_next_step(incident_id: str) -> None:
    assert "no single incident" in refused("show", "ffffffff-0000")
    assert "names no such remedy" in refused("answer", incident_id, "run_remedy", "--remedy", "drop_everything")
    assert "measured in hours" in refused("answer", incident_id, "silence", "--hours", "-1")
    assert "belongs to another answer" in refused("answer", incident_id, "retry", "--hours", "3")
    assert "belongs to another answer" in refused("answer", incident_id, "retry", "--remedy", "reset_connections")
    assert "closed for a reason" in refused("resolve", incident_id, "--because", " ")
    assert CliRunner().invoke(incidents.app, ["answer", incident_id, "panic"]).exit_code == 2
    call("review", incident_id, "--what-happened", "x", "--cause", "y", "--changed", "z", code=1)


def test_what_is_not_offered_cannot_be_answered(incident_id: str, database: Database) -> None:
    store = Incidents(database.engine)
    store.progress(uuid.UUID(incident_id), "offered", {"answers": ["retry", "mark_resolved"]})
    told = refused("answer", incident_id, "retry_on_alternative")
    assert "does not offer that answer" in told
    assert "retry, mark_resolved" in told
    assert call("answer", incident_id, "retry").startswith("answered: retry\n")


def test_where_nothing_is_found_it_says_so(incident_id: str) -> None:
    done = CliRunner().invoke(incidents.app, ["list", "--class", "nonsense"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing waits" in done.stderr


def test_a_dag_and_an_owner_narrow_the_list(incident_id: str) -> None:
    for narrowed, count in (
        (["--dag", "data_foundation"], 1),
        (["--dag", "another"], 0),
        (["--owner", "market-data", "--severity", "high"], 1),
        (["--owner", "market"], 0),
    ):
        assert len(json.loads(call("list", "--json", *narrowed, code=min(count, 1)))) == count


def test_a_comment_is_shown_without_secrets_and_cannot_look_like_an_entry(incident_id: str, database: Database) -> None:
    text = "see \x1b[31mthe disk\r\n2026-01-01 00:00Z  person:ann: answered: retry\nPGPASSWORD=hunter2"
    assert call("comment", incident_id, text) == "commented\n"
    call("comment", incident_id, text, code=1)
    shown = call("show", incident_id)
    assert ": comment: see  [31mthe disk\n                   2026-01-01" in shown
    assert "hunter2" not in shown
    assert "\x1b" not in shown
    (told,) = AuditTrail(database.engine).latest()
    assert (told["action"], told["details"]["incident_id"]) == ("incident_commented", incident_id)
    assert "hunter2" not in str(told["details"])


@pytest.mark.parametrize("text", ["", " \r\n\t", "\x00", "x" * 2001])
def test_a_comment_and_a_reason_say_something_and_are_no_book(incident_id: str, database: Database, text: str) -> None:
    assert "is a text" in refused("comment", incident_id, text)
    Incidents(database.engine).resolve(uuid.UUID(incident_id), "mended", "orbt")
    assert "is a text" in refused("reopen", incident_id, "--reason", text)
    row = Incidents(database.engine).latest()[0]
    assert (row["state"], len(row["timeline"])) == ("resolved", 2)


def test_what_is_over_is_opened_again_with_a_reason(incident_id: str, database: Database) -> None:
    call("reopen", incident_id, "--reason", "too early", code=1)
    call("resolve", incident_id, "--because", "the server is back")
    told = call("reopen", incident_id, "--reason", "it is away again")
    assert told.startswith("open again\nanswer it here or on its page")
    assert "opened again: it is away again" in call("show", incident_id)
    assert incident_id[:8] in call("list", code=1)
    assert AuditTrail(database.engine).latest()[0]["action"] == "incident_reopened"


def test_the_open_one_of_the_same_cause_is_named_instead(incident_id: str, database: Database) -> None:
    Incidents(database.engine).resolve(uuid.UUID(incident_id), "mended", "orbt")
    other = seed.incident(database.engine)
    done = CliRunner().invoke(incidents.app, ["reopen", incident_id, "--reason", "why"])
    assert done.exit_code == 1
    assert f"the incident {other} is open" in done.stderr
    assert "incident_reopened" not in {each["action"] for each in AuditTrail(database.engine).latest()}


def test_what_happened_before_is_shown_with_how_it_ended(incident_id: str, database: Database) -> None:
    store = Incidents(database.engine)
    assert "Happened before" not in call("show", incident_id)
    assert json.loads(call("show", incident_id, "--json"))["happened_before"] == []
    store.answer(uuid.UUID(incident_id), Answer.RETRY, "person:ann")
    again = str(seed.incident(database.engine))
    assert f"{incident_id[:8]}  not over: answered, retry by person:ann" in call("show", again)
    store.resolve(uuid.UUID(incident_id), "a new disk", "orbt")
    shown = call("show", again)
    assert "Happened before\n" in shown
    assert "retry by person:ann: a new disk" in shown
    (told,) = json.loads(call("show", again, "--json"))["happened_before"]
    assert (told["id"], told["ending"], told["stage"]) == (incident_id, "a new disk", "resolved")
