"""Incidents that are opened again, that were there before, and that people comment: asked of a real store."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, TaskTry
from groundwork.model.incident import Severity, Stage, ending_of, needs_review, stage_of
from groundwork.orbt.incidents.escalation_policy import read_escalation_policy
from groundwork.orbt.incidents.notifications import incident_message
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.incident_table import INCIDENT
from groundwork.store.migrate import migrate
from groundwork.store.notification import Notifications
from tests.fix_postgres import Database
from tests.pages import seed
from tests.pages.fix_server import PROJECT

pytestmark = pytest.mark.postgres
_TASK = TaskTry(dag_id="data_foundation", run_id=seed.RUN, task_id="data_integration.load", try_number=4)


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def over(store: Engine, **columns: Any) -> uuid.UUID:
    """An incident that somebody silenced, that is over and reviewed."""
    incidents, known = Incidents(store), seed.incident(store, severity=Severity.CRITICAL)
    incidents.acknowledge(known, "person:ann")
    incidents.answer(known, Answer.SILENCE, "person:ann", silenced_until=utc_now() + timedelta(hours=4))
    incidents.progress(known, "done", "silenced")
    incidents.resolve(known, "mended", "orbt")
    incidents.settled(known)
    incidents.review(known, {"what_happened": "it fell", "cause": "the disk", "changed": "a bigger one"}, "person:ann")
    if columns:
        with store.begin() as connection:
            connection.execute(INCIDENT.update().where(INCIDENT.c.id == known).values(**columns))
    return known


def test_its_life_begins_anew_and_what_was_before_can_be_read(store: Engine) -> None:
    incidents, known = Incidents(store), over(store)
    before = incidents.get(known)
    assert incidents.reopen(known, "it falls again", "person:bob").is_done
    row = incidents.get(known)
    assert stage_of(row) is Stage.OPEN
    fresh = ("answer", "answered_by", "answered_at", "acknowledged_at", "silenced_until", "resolved_at", "settled_at")
    assert {name: row[name] for name in fresh} == dict.fromkeys(fresh)
    assert (row["progress"], row["level"], row["review"], row["answer_details"]) == ({}, 0, None, {})
    assert (row["opened_at"], row["reopenings"]) == (before["opened_at"], 1)
    assert row["timeline"][:-1] == before["timeline"]
    assert (row["timeline"][-1]["what"], row["timeline"][-1]["by"]) == ("opened again: it falls again", "person:bob")
    assert "Cause: the disk" in row["evidence"][-1]["content"]
    assert incidents.answered_at(_TASK) is None, "strikes before count again"
    assert incidents.answer(known, Answer.RETRY, "person:bob"), "it can be answered as the first time"
    assert incidents.resolve(known, "mended at last", "orbt")
    assert needs_review(incidents.get(known)), "a review is owed anew"
    assert ending_of(incidents.get(known)) == "mended at last"


def test_only_what_is_over_is_opened_again(store: Engine) -> None:
    incidents, known = Incidents(store), seed.incident(store)
    for step in (lambda: None, lambda: incidents.answer(known, Answer.RETRY, "person:ann")):
        step()
        told = incidents.reopen(known, "why", "person:ann")
        assert (told.is_done, told.instead) == (False, None)
    assert "opened again: why" not in {each["what"] for each in incidents.get(known)["timeline"]}
    with pytest.raises(ConfigError, match="no such incident"):
        incidents.reopen(uuid.uuid4(), "why", "person:ann")


def test_while_another_one_of_its_cause_is_open_that_one_is_named(store: Engine) -> None:
    incidents, first = Incidents(store), over(store, silenced_until=None)
    second = seed.incident(store)
    assert first != second
    told = incidents.reopen(first, "why", "person:ann")
    assert (told.is_done, told.instead) == (False, second)
    assert incidents.get(first)["state"] == "resolved"
    incidents.resolve(second, "mended", "orbt")
    assert incidents.reopen(first, "why", "person:ann").is_done


def test_of_two_that_are_opened_again_at_once_one_is(store: Engine, database: Database) -> None:
    first = over(store, silenced_until=None)
    second = over(store, silenced_until=None)
    engines = [create_engine(database.url) for _ in range(2)]
    try:
        with ThreadPoolExecutor(2) as pool:
            told = list(
                pool.map(
                    lambda engine, known: Incidents(engine).reopen(known, "why", "person:ann"), engines, (first, second)
                )
            )
    finally:
        for engine in engines:
            engine.dispose()
    assert sorted(each.is_done for each in told) == [False, True]
    opened = Incidents(store).latest(state="open")
    assert [each.instead for each in told if not each.is_done] == [opened[0]["id"]]


def test_a_failure_of_its_cause_joins_it_and_its_success_closes_it(store: Engine) -> None:
    incidents, known = Incidents(store), over(store)
    incidents.succeeded(_TASK)
    incidents.reopen(known, "why", "person:ann")
    assert seed.incident(store) == known
    assert len(incidents.get(known)["affected"]) == 1
    assert incidents.succeeded(replace(_TASK, try_number=5)) == [known]


def test_people_are_told_anew_and_under_another_key(store: Engine) -> None:
    incidents, known, book = Incidents(store), over(store), Notifications(store)
    message = incident_message(incidents.get(known), "opened", 0)

    def plan(channel: str) -> int:
        return book.plan(
            subject=str(known), event="opened", level=0, channel=channel, message=message.to_json(), now=utc_now()
        )

    told, untold = plan("log"), plan("team")
    claimed = book.claim(told, utc_now())
    assert claimed is not None
    book.sent(claimed, "logged", utc_now())
    incidents.reopen(known, "it falls again", "person:ann")
    assert book.of_subject(str(known)) == []
    assert [book.get(each)["state"] for each in (told, untold)] == ["sent", "given_up"]
    assert book.due(utc_now() + timedelta(days=1)) == [], "what was not told by then is told no more"
    assert plan("log") not in (told, untold)
    again = incident_message(incidents.get(known), "opened", 0)
    assert again.key == f"{message.key}/1"
    assert "opened again: it falls again" in again.text


def test_levels_of_escalation_count_from_then(store: Engine) -> None:
    policy = read_escalation_policy(PROJECT / "governance" / "policies")
    now = utc_now()
    known = over(store, opened_at=now - timedelta(days=9))
    row = Incidents(store).get(known)
    assert policy.due_level({**row, "acknowledged_at": None}, now) > 0
    Incidents(store).reopen(known, "why", "person:ann")
    assert policy.due_level(Incidents(store).get(known), utc_now()) == 0


def test_time_until_somebody_looks_counts_from_then_and_until_it_is_mended_from_the_first(store: Engine) -> None:
    now = utc_now()
    known = over(store, opened_at=now - timedelta(hours=10), silenced_until=None)
    Incidents(store).reopen(known, "why", "person:ann")
    times = {"reopened_at": now - timedelta(hours=2), "acknowledged_at": now - timedelta(hours=1)}
    with store.begin() as connection:
        connection.execute(INCIDENT.update().values(**times, state="resolved", resolved_at=now))
    (row,) = Incidents(store).figures(now - timedelta(days=1))
    assert (row["mtta_seconds"], row["mttr_seconds"]) == (3600, 36_000)


def test_what_happened_before_is_of_the_same_cause_and_older(store: Engine) -> None:
    incidents, known = Incidents(store), []
    for number in range(4):
        known.append(seed.incident(store))
        incidents.resolve(known[-1], f"mended {number}", "orbt")
    other = seed.incident(store, "slow_queries")
    assert [row["id"] for row in incidents.before(incidents.get(known[3]), 10)] == known[2::-1]
    assert [row["id"] for row in incidents.before(incidents.get(known[3]), 1)] == [known[2]]
    assert incidents.before(incidents.get(known[0]), 10) == []
    assert incidents.before(incidents.get(other), 10) == []
    assert incidents.before(incidents.get(known[3]), 10, dags=["another"]) == []


@pytest.mark.parametrize("by_itself", [True, False])
def test_what_closed_it_is_told_whatever_came_after(store: Engine, *, by_itself: bool) -> None:
    incidents, known = Incidents(store), seed.incident(store)
    assert ending_of(incidents.get(known)) is None
    if by_itself:
        incidents.succeeded(_TASK)
    else:
        incidents.resolve(known, "a new disk", "person:ann")
    incidents.note(known, "told log: resolved; logged", "orbt")
    incidents.comment(known, "at last", "person:ann")
    told = ending_of(incidents.get(known))
    assert told == (
        f"data_foundation / data_integration.load, run {seed.RUN}, succeeded on try 4" if by_itself else "a new disk"
    )


def test_a_comment_is_kept_once_in_every_stage(store: Engine) -> None:
    incidents, known = Incidents(store), seed.incident(store)
    assert incidents.comment(known, "the disk", "person:ann")
    assert not incidents.comment(known, "the disk", "person:ann"), "the button was pressed twice"
    assert incidents.comment(known, "the disk", "person:bob")
    incidents.resolve(known, "mended", "orbt")
    assert incidents.comment(known, "the disk", "person:ann")
    assert [each["what"] for each in incidents.get(known)["timeline"]].count("comment: the disk") == 3
    with pytest.raises(ConfigError, match="no such incident"):
        incidents.comment(uuid.uuid4(), "x", "person:ann")
