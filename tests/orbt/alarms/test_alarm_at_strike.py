"""A failure that is an alarm runs no remedy and asks a person at its first strike, urgently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from groundwork.model.fault import Circumstances, Fault, Impact, StrikeAction, TaskTry
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.response import Responder
from groundwork.orbt.spool import Spool
from groundwork.store.incident import Incidents
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
PROJECT = Path(__file__).parents[3]
TRY = TaskTry(dag_id="load", run_id="r1", task_id="prices", try_number=1)
DAMAGED = Fault(
    fault_class="connection_failures", exception="psycopg.OperationalError", message="invalid page in block 7"
)
HARMLESS = Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="closed")


@pytest.fixture
def responder(database: Database, tmp_path: Path) -> Callable[[Path], Responder]:
    migrate(database.engine)

    def made(project: Path) -> Responder:
        return Responder(
            store=lambda: database.engine,
            engine_of=lambda _: database.engine,
            target="warehouse",
            patterns=read_patterns(PROJECT / "governance" / "patterns"),
            spool=Spool(tmp_path / "spool"),
            project=project,
            home=tmp_path,
        )

    return made


def test_an_alarm_asks_at_the_first_strike_and_heals_nothing(
    responder: Callable[[Path], Responder], database: Database
) -> None:
    where = Circumstances(target="warehouse")
    response = responder(PROJECT).respond(DAMAGED, TRY, Impact(domain="market"), has_try_left=True, circumstances=where)
    assert response.strike.action is StrikeAction.ASK_PERSON
    assert response.strike.number == 1
    assert response.strike.remedies == ()
    assert response.strike.delay_seconds is None
    assert "alarm damaged_pages: data loss" in response.strike.reason
    (incident,) = Incidents(database.engine).latest()
    assert (incident["severity"], incident["report"]["urgency_level"]) == ("critical", "critical")
    assert any("damaged_pages" in reason for reason in incident["assessment"]["reasons"])


def test_a_failure_that_is_none_takes_its_strike(responder: Callable[[Path], Responder], database: Database) -> None:
    response = responder(PROJECT).respond(HARMLESS, TRY, Impact(domain="market"), has_try_left=True)
    assert response.strike.action is StrikeAction.RETRY
    assert Incidents(database.engine).latest() == []


@pytest.mark.parametrize("text", [None, "kind: alarms\nversion: 1\nat_strikes: nonsense\n"])
def test_without_a_policy_that_can_be_read_failures_take_their_strikes(
    responder: Callable[[Path], Responder], tmp_path: Path, text: str | None
) -> None:
    policies = tmp_path / "governance" / "policies"
    policies.mkdir(parents=True)
    if text is not None:
        (policies / "alarms.yaml").write_text(text)
    response = responder(tmp_path).respond(DAMAGED, TRY, Impact(domain="market"), has_try_left=True)
    assert response.strike.action is StrikeAction.RETRY
