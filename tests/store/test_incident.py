"""Incidents in the store: the migration of those that are there, their life, and the figures made of them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from groundwork.model.errors import ConfigError
from groundwork.model.fault import Answer, Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.model.incident import Severity, Stage, needs_review, stage_of
from groundwork.store import migrate as migrations
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.incident_table import INCIDENT
from groundwork.store.migrate import migrate
from groundwork.store.strike import Strikes
from tests.fix_postgres import Database
from tests.pages import seed

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


def test_incidents_that_are_there_keep_their_cause(database: Database) -> None:
    _upgrade(database.engine, "0006")
    rows = [("open", None), ("answered", "2026-01-01T10:00:00Z"), ("resolved", "2026-01-01T10:00:00Z")]
    with database.engine.begin() as connection:
        for state, at in rows:
            connection.execute(
                text(
                    "INSERT INTO groundwork.incident (id, domain, dag_id, task_id, fault_class, state, report,"
                    " affected, timeline, answered_at, resolved_at)"
                    " VALUES (:id, 'market', 'load', 'prices', 'unknown', :state,"
                    """ '{"urgency_level": "high", "recommended_action": "retry"}',"""
                    """ '[{"run_id": "r1", "map_index": -1}, {"run_id": "r2", "map_index": 3}]', '[]', :at, NULL)"""
                ),
                {"id": uuid.uuid4(), "state": state, "at": at},
            )
    migrate(database.engine)
    migrated = {row["state"]: row for row in Incidents(database.engine).latest()}
    assert {row["cause"] for row in migrated.values()} == {"task:unknown:load/prices"}
    assert migrated["open"]["affected"] == [
        {"dag_id": "load", "task_id": "prices", "run_id": "r1", "map_index": -1},
        {"dag_id": "load", "task_id": "prices", "run_id": "r2", "map_index": 3},
    ]
    assert (migrated["open"]["severity"], migrated["open"]["subject"]) == ("high", "load / prices")
    assert {state: row["settled_at"] is None for state, row in migrated.items()} == {
        "open": True, "answered": False, "resolved": False,
    }  # fmt: skip
    target = TaskTry(dag_id="load", run_id="r2", task_id="prices", map_index=3, try_number=1)
    assert len(Incidents(database.engine).unresolved_of(target)) == 2
    assert Incidents(database.engine).answered_at(target) is not None


def test_each_stage_follows_the_one_before_and_once(store: Engine) -> None:
    incidents, known = Incidents(store), seed.incident(store, severity=Severity.CRITICAL)
    review = {"what_happened": "a", "cause": "b", "changed": "c"}
    assert stage_of(incidents.get(known)) is Stage.OPEN
    assert not incidents.review(known, review, "person:ann"), "it is not over"
    assert incidents.acknowledge(known, "person:ann")
    assert not incidents.acknowledge(known, "person:bob")
    assert stage_of(incidents.get(known)) is Stage.ACKNOWLEDGED
    assert incidents.answer(known, Answer.RETRY, "person:ann")
    assert not incidents.answer(known, Answer.IGNORE, "person:bob"), "the first answer stands"
    assert not incidents.raise_level(known, 1, "too late")
    assert not incidents.raise_severity(known, Severity.CRITICAL, "too late")
    assert stage_of(incidents.get(known)) is Stage.ANSWERED
    assert [row["id"] for row in incidents.unsettled()] == [known]
    assert incidents.resolve(known, "mended", "orbt")
    assert not incidents.resolve(known, "mended", "orbt")
    assert needs_review(incidents.get(known))
    assert incidents.review(known, review, "person:ann")
    assert not incidents.review(known, review, "person:ann")
    assert stage_of(incidents.get(known)) is Stage.REVIEWED
    assert not needs_review(incidents.get(known))
    assert incidents.settled(known)
    assert incidents.unsettled() == []
    told = [entry["what"] for entry in incidents.get(known)["timeline"]]
    assert told == ["opened: the third strike", "acknowledged", "answered: retry", "mended", "reviewed"]


def test_severity_is_raised_with_its_reason_and_never_lowered(store: Engine) -> None:
    incidents, known = Incidents(store), seed.incident(store, severity=Severity.MEDIUM)
    assert incidents.raise_severity(known, Severity.CRITICAL, "forty tasks")
    assert not incidents.raise_severity(known, Severity.HIGH, "ten tasks")
    row = incidents.get(known)
    assert (row["severity"], row["report"]["urgency_level"]) == ("critical", "critical")
    assert row["assessment"]["reasons"] == ["read by dbt exposure data_api", "forty tasks"]


def test_levels_are_reached_once(store: Engine) -> None:
    incidents, known = Incidents(store), seed.incident(store)
    assert incidents.raise_level(known, 2, "level 2")
    assert not incidents.raise_level(known, 2, "level 2")
    assert not incidents.raise_level(known, 1, "level 1")


def test_an_incident_that_nobody_knows(store: Engine) -> None:
    for step in (lambda: Incidents(store).get(uuid.uuid4()), lambda: Incidents(store).note(uuid.uuid4(), "x", "y")):
        with pytest.raises(ConfigError, match="no such incident"):
            step()
    assert Incidents(store).with_prefix("%") == []
    assert Incidents(store).find(uuid.uuid4()) is None


def test_figures_are_means_of_what_was_mended(store: Engine) -> None:
    opened = utc_now() - timedelta(hours=10)
    for name, acknowledged, resolved, answer in (
        ("slow_queries", 60, 600, None),
        ("connection_failures", None, 1200, "retry"),
        ("worker_lost", None, 9999, "ignore"),
    ):
        _aged(store, seed.incident(store, name), opened, acknowledged, resolved, answer)
    seed.incident(store, "unknown")
    found = {row["fault_class"]: row for row in Incidents(store).figures(utc_now() - timedelta(days=1))}
    assert (found["slow_queries"]["mtta_seconds"], found["slow_queries"]["mttr_seconds"]) == (60, 600)
    assert found["connection_failures"]["mttr_seconds"] == 1200
    assert found["worker_lost"]["mttr_seconds"] is None, "what was ignored was not mended"
    assert (found["unknown"]["open"], found["unknown"]["mttr_seconds"]) == (1, None)
    assert sum(row["escalated"] for row in found.values()) == 1, "one task instance was struck in all of them"
    assert Incidents(store).figures(utc_now() + timedelta(days=1)) == []


def test_what_was_escalated_for_something_else_in_the_end_was_not_healed(store: Engine) -> None:
    strikes = Strikes(store)
    for run, later in (("r1", "unknown"), ("r2", None)):
        first = TaskTry(dag_id="load", run_id=run, task_id="prices", try_number=1)
        strikes.record(_strike(first, "worker_lost", StrikeAction.RETRY))
        second = replace(first, try_number=2)
        if later is not None:
            strikes.record(_strike(second, later, StrikeAction.ASK_PERSON))
        else:
            strikes.healed(second)
    found = {row["fault_class"]: row for row in Incidents(store).figures(utc_now() - timedelta(days=1))}
    lost = found["worker_lost"]
    assert (lost["struck"], lost["healed"], lost["escalated"], lost["healed_pct"]) == (2, 1, 1, 50)


def _strike(task_try: TaskTry, fault_class: str, action: StrikeAction) -> Strike:
    return Strike(
        task_try=task_try,
        fault=Fault(fault_class=fault_class, exception="none", message="x"),
        impact=Impact(domain="market"),
        number=task_try.try_number,
        action=action,
        reason="x",
        at=utc_now(),
    )


def _aged(
    store: Engine, known: uuid.UUID, opened: datetime, acknowledged: int | None, resolved: int, answer: str | None
) -> None:
    def after(seconds: int | None) -> datetime | None:
        return None if seconds is None else opened + timedelta(seconds=seconds)

    values = {
        "opened_at": opened, "acknowledged_at": after(acknowledged), "resolved_at": after(resolved), "answer": answer,
        "state": "resolved",
    }  # fmt: skip
    with store.begin() as connection:
        connection.execute(INCIDENT.update().where(INCIDENT.c.id == known).values(**values))


def _upgrade(engine: Engine, revision: str) -> None:
    """Bring the store to an older version."""
    folder = Path(migrations.__file__).parent / "migrations"
    with engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS groundwork"))
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
