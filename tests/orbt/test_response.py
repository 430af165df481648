"""Failures answered on a real store: counted once, healed, escalated once, and never lost when the store is down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from groundwork.model.errors import ConfigError
from groundwork.model.fault import WORKER_LOST, Answer, Fault, Impact, StrikeAction, TaskTry, strike_from_json
from groundwork.orbt.escalation import markdown, options
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.response import Responder, Response, StrikeBook
from groundwork.orbt.spool import Spool
from groundwork.store.audit import AuditTrail
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_PATTERNS = read_patterns(Path(__file__).parents[2] / "governance" / "patterns")
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
    return Responder(store=store, target=target, patterns=_PATTERNS, spool=Spool(folder / "spool"))


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


def test_the_same_cause_in_another_run_joins_the_open_incident(responder: Responder, store: Engine) -> None:
    first = _fail(responder, 1, left=False)
    second = _fail(responder, 1, left=False, run_id="r2")
    mapped = _fail(responder, 1, left=False, run_id="r2", map_index=4)
    assert first.incident.id == second.incident.id == mapped.incident.id
    (incident,) = Incidents(store).latest()
    assert incident["affected"] == [
        {"run_id": "r1", "map_index": -1}, {"run_id": "r2", "map_index": -1}, {"run_id": "r2", "map_index": 4},
    ]  # fmt: skip
    assert len(incident["timeline"]) == 3


def test_opening_at_the_same_moment_opens_one(store: Engine, tmp_path: Path) -> None:
    barrier, found = threading.Barrier(6), []

    def fail(index: int) -> None:
        responder = _responder(lambda: store, lambda: store, tmp_path)
        barrier.wait()
        found.append(_fail(responder, 1, left=False, map_index=index).incident)

    threads = [threading.Thread(target=fail, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.id for each in found}) == 1
    assert sum(each.is_new for each in found) == 1
    assert len(Incidents(store).latest()[0]["affected"]) == 6


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
    assert away.spool.drain(book.keep) == 3
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

    def refuses(_: object) -> None:
        raise ConnectionError("away again")

    with pytest.raises(ConnectionError):
        spool.drain(refuses)
    assert spool.waiting() == [path]
    assert (path.parent / "00000000-broken.bad").exists()
    kept = []
    assert spool.drain(kept.append) == 1
    assert kept == [strike]


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
    assert told.count("```") == 2, "the message cannot end its own code block"
    assert options(Answer.IGNORE) == ["ignore", "retry", "mark_resolved"]


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
