"""Failures answered on a real store: counted once, healed, escalated once, and never lost when the store is down."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.model.errors import ConfigError
from groundwork.model.fault import WORKER_LOST, Answer, Fault, Impact, StrikeAction, TaskTry, strike_from_json
from groundwork.orbt.incidents.escalation import Means, markdown, offered
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.response import Responder, Response
from groundwork.orbt.spool import Spool
from groundwork.orbt.strike_book import StrikeBook
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.postgres
_ROOT = Path(__file__).parents[2]
_PATTERNS_FOLDER = _ROOT / "governance" / "patterns"
_PATTERNS = read_patterns(_PATTERNS_FOLDER)
_TRY = TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=1)
_FAULT = Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="gone")
_IMPACT = Impact(domain="market", assets=("market.stock_prices",), downstream_tasks=("gate",))
_O5 = {
    "domain", "issue_type", "business_impact", "attempted_solutions", "specialist_recommendations",
    "cross_domain_impact", "recommended_action", "urgency_level",
}  # fmt: skip


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


@pytest.fixture
def responder(store: Engine, tmp_path: Path) -> Responder:
    return _responder(lambda: store, lambda: store, tmp_path)


def _responder(store: Callable[[], Engine], target: Callable[[], Engine], folder: Path) -> Responder:
    return Responder(
        store=store,
        engine_of=lambda _: target(),
        target="warehouse",
        patterns=_PATTERNS,
        spool=Spool(folder / "spool"),
        project=folder,
        home=folder,
    )


def _fail(responder: Responder, number: int, *, left: bool | None = None, **changes: object) -> Response:
    task_try = replace(_TRY, try_number=number, **changes)
    return responder.respond(_FAULT, task_try, _IMPACT, has_try_left=number < 3 if left is None else left)


def test_three_strikes_open_one_incident_with_exactly_the_fields_of_the_report(
    responder: Responder, store: Engine
) -> None:
    responses = [_fail(responder, number) for number in (1, 2, 3)]
    assert [each.strike.number for each in responses] == [1, 2, 3]
    assert [each.incident is None for each in responses] == [True, True, False]
    again = _fail(responder, 3)
    assert again.incident == replace(responses[2].incident, is_new=False)

    (incident,) = Incidents(store).latest()
    report = incident["report"]
    assert set(report) == _O5
    assert len(report["attempted_solutions"]) == 2
    assert "reset_connections: pool dropped" in report["attempted_solutions"][0]
    assert "logged in anew" in report["attempted_solutions"][0]
    assert "market.stock_prices" in report["cross_domain_impact"]
    assert "1 later task(s)" in report["business_impact"]
    assert [row["outcome"] for row in reversed(Strikes(store).latest())] == [
        "failed_again",
        "failed_again",
        "escalated",
    ]
    assert [row["action"] for row in AuditTrail(store).latest()] == ["incident_opened"]


def test_evaluated_twice_counts_once(responder: Responder, store: Engine) -> None:
    first, again = _fail(responder, 1), _fail(responder, 1)
    assert first.strike.number == again.strike.number == 1
    assert len(Strikes(store).latest()) == 1


def test_all_that_one_target_fails_joins_one_incident(responder: Responder, store: Engine) -> None:
    first = _fail(responder, 1, left=False)
    second = _fail(responder, 1, left=False, run_id="r2")
    other = _fail(responder, 1, left=False, dag_id="report", task_id="mart", map_index=4)
    assert first.incident.id == second.incident.id == other.incident.id
    (incident,) = Incidents(store).latest()
    assert (incident["cause"], incident["target"]) == ("target:connection_failures:warehouse", "warehouse")
    assert incident["affected"] == [
        {"dag_id": "load", "task_id": "prices", "run_id": "r1", "map_index": -1},
        {"dag_id": "load", "task_id": "prices", "run_id": "r2", "map_index": -1},
        {"dag_id": "report", "task_id": "mart", "run_id": "r1", "map_index": 4},
    ]
    assert len(incident["timeline"]) == 3
    assert "report / mart[4], run r1, joined" in incident["timeline"][-1]["what"]
    struck = Strikes(store).of_incident(incident)
    assert {(row["dag_id"], row["run_id"], row["map_index"]) for row in struck} == {
        ("load", "r1", -1), ("load", "r2", -1), ("report", "r1", 4),
    }  # fmt: skip


def test_a_fault_of_the_task_itself_is_an_incident_per_task(responder: Responder, store: Engine) -> None:
    wrong = replace(_FAULT, fault_class="programming_error")
    for task_id in ("prices", "orders", "prices"):
        responder.respond(wrong, replace(_TRY, task_id=task_id), _IMPACT, has_try_left=False)
    assert {row["cause"] for row in Incidents(store).latest()} == {
        "task:programming_error:load/prices", "task:programming_error:load/orders",
    }  # fmt: skip


def test_many_task_instances_make_an_incident_worse(responder: Responder, store: Engine) -> None:
    severities = []
    for index in range(10):
        opened = _fail(responder, 1, left=False, map_index=index).incident
        severities.append(Incidents(store).get(opened.id)["severity"])
    assert severities == ["medium"] * 9 + ["high"]
    incident = Incidents(store).get(opened.id)
    assert "10 task instances failed for this cause" in incident["assessment"]["reasons"]
    assert incident["report"]["urgency_level"] == "high"
    assert set(incident["report"]) == _O5


def test_a_silenced_cause_opens_nothing_and_counts(responder: Responder, store: Engine) -> None:
    incidents = Incidents(store)
    opened = _fail(responder, 1, left=False).incident
    incidents.answer(opened.id, Answer.SILENCE, "person:ann", silenced_until=utc_now() + timedelta(hours=1))
    for run_id in ("r2", "r3"):
        again = _fail(responder, 1, left=False, run_id=run_id).incident
        assert (again.id, again.is_new, again.is_silenced) == (opened.id, False, True)
    row = incidents.get(opened.id)
    assert (row["state"], row["silenced_strikes"], len(row["affected"])) == ("answered", 2, 3)
    assert len(Strikes(store).latest()) == 3, "strikes are counted all the same"
    incidents.silence(opened.id, None, "person:ann")
    assert _fail(responder, 1, left=False, run_id="r4").incident.is_new


def test_opening_at_the_same_moment_opens_one(store: Engine, database: Database, tmp_path: Path) -> None:
    """Forty processes of their own, each with its own connections, as forty tasks of one dead database are."""
    program = [sys.executable, "-m", "tests.orbt.incident_opener"]
    arguments = [database.engine.url.render_as_string(hide_password=False), str(_PATTERNS_FOLDER), str(tmp_path)]
    processes = [
        subprocess.Popen([*program, *arguments, f"run{number}"], stdin=PIPE, stdout=PIPE, text=True, cwd=_ROOT)
        for number in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [
        line.split() for process in processes for line in process.communicate(timeout=PATIENCE_SECONDS)[0].splitlines()
    ]
    assert len(lines) == 40
    assert len({identity for identity, _ in lines}) == 1
    assert [is_new for _, is_new in lines].count("True") == 1
    (incident,) = Incidents(store).latest()
    assert len(incident["affected"]) == 40
    assert incident["severity"] == "high", "low by itself, two steps worse by forty"


def test_after_an_answer_strikes_count_anew(responder: Responder, store: Engine) -> None:
    incidents = Incidents(store)
    opened = [_fail(responder, number) for number in (1, 2, 3)][-1].incident
    assert incidents.answer(opened.id, Answer.RETRY, "person:ann")
    assert not incidents.answer(opened.id, Answer.IGNORE, "person:bob"), "the first answer stands"
    fourth = _fail(responder, 4, left=True)
    assert (fourth.strike.number, fourth.strike.action) == (1, StrikeAction.RETRY)
    row = incidents.get(opened.id)
    assert (row["state"], row["answer"], row["answered_by"]) == ("answered", "retry", "person:ann")


def test_success_heals_strikes_and_closes_the_incident(responder: Responder, store: Engine) -> None:
    _fail(responder, 1)
    book = StrikeBook(store, _PATTERNS)
    assert book.succeeded(replace(_TRY, try_number=2)) == 1
    assert Strikes(store).latest()[0]["outcome"] == "healed"
    assert _fail(responder, 3, left=True).strike.number == 1, "what healed no longer counts"
    opened = _fail(responder, 4, left=False).incident
    book.succeeded(replace(_TRY, try_number=5))
    assert Incidents(store).get(opened.id)["state"] == "resolved"


def test_an_incident_closes_when_every_task_instance_has_succeeded(responder: Responder, store: Engine) -> None:
    opened = _fail(responder, 1, left=False, map_index=0).incident
    _fail(responder, 1, left=False, map_index=1)
    book = StrikeBook(store, _PATTERNS)
    book.succeeded(replace(_TRY, try_number=2, map_index=0))
    assert Incidents(store).get(opened.id)["state"] == "open"
    _fail(responder, 3, left=False, map_index=0)
    book.succeeded(replace(_TRY, try_number=2, map_index=1))
    assert Incidents(store).get(opened.id)["state"] == "open", "what failed again after its success counts"
    book.succeeded(replace(_TRY, try_number=4, map_index=0))
    row = Incidents(store).get(opened.id)
    assert row["state"] == "resolved"
    assert "succeeded on try 4" in row["timeline"][-1]["what"]


def test_a_lost_worker_gives_way_to_what_the_task_itself_knew(responder: Responder, store: Engine) -> None:
    lost = Fault(fault_class=WORKER_LOST, exception="none", message="heartbeat timed out")
    responder.respond(lost, _TRY, _IMPACT, has_try_left=True)
    _fail(responder, 1)
    assert [row["fault_class"] for row in Strikes(store).latest()] == ["connection_failures"]
    responder.respond(lost, _TRY, _IMPACT, has_try_left=True)
    assert [row["fault_class"] for row in Strikes(store).latest()] == ["connection_failures"]


def test_a_store_that_is_down_loses_nothing(store: Engine, tmp_path: Path) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/x", connect_args={"connect_timeout": 2})
    away = _responder(lambda: nowhere, lambda: nowhere, tmp_path)
    responses = [_fail(away, number) for number in (1, 2, 3)]
    assert all(each.is_spooled for each in responses)
    assert [each.strike.action for each in responses] == ["retry", "retry", "ask_person"]
    assert not any(remedy.is_done for remedy in responses[0].strike.remedies), "the remedies say that they could not"
    assert len(away.spool.waiting()) == 3

    book = StrikeBook(store, _PATTERNS)
    assert away.spool.drain(book) == 3
    assert away.spool.waiting() == []
    assert [row["number"] for row in reversed(Strikes(store).latest())] == [1, 2, 3]
    assert len(Incidents(store).latest("open")) == 1


def test_the_next_failure_takes_waiting_strikes_along(store: Engine, tmp_path: Path) -> None:
    def fails() -> Engine:
        raise ConfigError("no connection")

    _fail(_responder(fails, fails, tmp_path), 1)
    back = _responder(lambda: store, lambda: store, tmp_path)
    _fail(back, 2)
    assert back.spool.waiting() == []
    assert {row["try_number"] for row in Strikes(store).latest()} == {1, 2}


def test_draining_stops_at_trouble_and_sets_rubbish_aside(responder: Responder, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "other")
    strike = _fail(responder, 1).strike
    path = spool.add(strike)
    (path.parent / "00000000-broken.jsonl").write_text("{", encoding="utf-8")

    class Refuses:
        def keep(self, _: object) -> None:
            raise ConnectionError("away again")

        succeeded = keep

    with pytest.raises(ConnectionError):
        spool.drain(Refuses())
    assert spool.waiting() == [path]
    assert (path.parent / "00000000-broken.bad").exists()
    taken = _Taken()
    assert spool.drain(taken) == 1
    assert taken.entries == [strike]


def test_what_the_store_does_not_take_holds_up_nothing_else(responder: Responder, store: Engine) -> None:
    poison = replace(_fail(responder, 1, run_id="r0").strike, task_try=replace(_TRY, run_id="r\x00"))
    waiting = responder.spool.add(poison)
    response = _fail(responder, 1, left=False)
    assert response.incident is not None
    assert not response.is_spooled
    assert responder.spool.waiting() == []
    assert waiting.with_suffix(".bad").exists()


def test_trouble_with_what_waits_does_not_lose_the_incident_of_this_strike(
    responder: Responder, store: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise ConnectionError("away again")

    monkeypatch.setattr(Spool, "drain", away)
    response = _fail(responder, 1, left=False)
    assert response.incident is not None
    assert not response.is_spooled


class _Taken:
    """A book that only remembers."""

    def __init__(self) -> None:
        self.entries: list[object] = []

    def keep(self, strike: object) -> None:
        self.entries.append(strike)

    def succeeded(self, task_try: object) -> None:
        self.entries.append(task_try)


def test_a_success_waits_behind_its_strikes_and_heals_them(store: Engine, tmp_path: Path) -> None:
    nowhere = create_engine("postgresql+psycopg://x:y@127.0.0.1:1/x", connect_args={"connect_timeout": 2})
    away = _responder(lambda: nowhere, lambda: nowhere, tmp_path)
    strike = _fail(away, 1).strike
    away.spool.add_success(replace(strike.task_try, try_number=2), strike.at + timedelta(seconds=30))
    assert away.spool.drain(StrikeBook(store, _PATTERNS)) == 2
    assert [row["outcome"] for row in Strikes(store).latest()] == ["healed"]


def test_a_strike_survives_its_json(responder: Responder) -> None:
    strike = _fail(responder, 1).strike
    assert strike.remedies
    assert strike_from_json(strike.to_json()) == strike


def test_the_markdown_of_an_incident_shows_errors_as_text_only(responder: Responder, store: Engine) -> None:
    fault = replace(_FAULT, message="``` <script>alert(1)</script>")
    opened = responder.respond(fault, _TRY, _IMPACT, has_try_left=False).incident
    incident = Incidents(store).get(opened.id)
    told = markdown(incident, Strikes(store).of_incident(incident))
    assert "**Recommended answer:** `retry`" in told
    assert all(f"- `{answer}`: " in told for answer in Answer), "each answer says what follows"
    assert told.count("```") == 2, "the message cannot end its own code block"
    assert "**Why medium.** 1 later task(s) of the Dag wait; not refreshed: market.stock_prices." in told


def test_only_answers_that_make_sense_are_offered(responder: Responder, store: Engine) -> None:
    opened = _fail(responder, 1, left=False).incident
    incident = Incidents(store).get(opened.id)
    always = [Answer.RETRY, Answer.MARK_RESOLVED, Answer.SILENCE, Answer.IGNORE]
    assert offered(incident, Means()) == always
    everything = Means(remedies=("analyze_tables",), alternatives=("use_replica: replica",), can_skip=True)
    assert set(offered(incident, everything)) == set(Answer)
    wanted = {**incident, "report": {**incident["report"], "recommended_action": "skip"}}
    assert offered(wanted, everything)[0] is Answer.SKIP
    assert offered({**incident, "affected": []}, everything) == always[1:]
    told = markdown(incident, (), offered(incident, everything), everything)
    assert "One of `analyze_tables`." in told
    assert "Declared: use_replica: replica." in told


def test_what_remedies_found_is_evidence(responder: Responder, store: Engine) -> None:
    opened = [_fail(responder, number) for number in (1, 2, 3)][-1].incident
    incident = Incidents(store).get(opened.id)
    told = markdown(incident, Strikes(store).of_incident(incident))
    assert "`reset_connections, strike 1`:" in told
    assert "pool dropped" in told


def test_an_unknown_incident_is_refused(store: Engine) -> None:
    import uuid

    with pytest.raises(ConfigError, match="no such incident"):
        Incidents(store).get(uuid.uuid4())


def test_a_spool_that_cannot_be_written_is_no_silence(store: Engine, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file, not a folder", encoding="utf-8")
    with store.begin() as connection:
        connection.execute(text("DROP TABLE groundwork.strike CASCADE"))
    with pytest.raises(OSError, match="spool"):
        _fail(_responder(lambda: store, lambda: store, tmp_path), 1)
