"""An open incident becomes worse by what joins it and by how many do, and says so; which rises are still to be told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from groundwork.model.fault import Answer, Circumstances, Fault, Impact, Strike, StrikeAction, TaskTry
from groundwork.model.incident import Assessment, Severity
from groundwork.orbt.incidents.notifications import Event, Route, incident_message
from groundwork.orbt.patterns import read_patterns
from groundwork.orbt.strike_book import StrikeBook
from groundwork.store.base import utc_now
from groundwork.store.incident import Incidents
from groundwork.store.incident_harm import IncidentHarm
from groundwork.store.migrate import migrate
from groundwork.store.notification import Notifications
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_ROOT = Path(__file__).parents[3]
_PATTERNS = read_patterns(_ROOT / "governance" / "patterns")


@pytest.fixture
def store(database: Database) -> Engine:
    migrate(database.engine)
    return database.engine


@pytest.fixture
def book(store: Engine) -> StrikeBook:
    return StrikeBook(store, _PATTERNS, _ROOT)


def _strike(dag_id: str, action: StrikeAction = StrikeAction.ASK_PERSON, **changes: object) -> Strike:
    """A failure of a database that nobody is declared to read."""
    made = Strike(
        task_try=TaskTry(dag_id=dag_id, run_id="r1", task_id="load", try_number=3),
        fault=Fault(fault_class="connection_failures", exception="psycopg.OperationalError", message="gone"),
        impact=Impact(domain="shop"),
        number=3,
        action=action,
        reason="third",
        at=utc_now(),
        circumstances=Circumstances(target="shop"),
    )
    return replace(made, **changes)


def _open(store: Engine) -> dict[str, object]:
    (row,) = Incidents(store).latest("open")
    return dict(row)


def _told(row: dict[str, object]) -> list[str]:
    return [line["what"] for line in row["timeline"] if line["what"].startswith("severity ")]


def test_a_dead_database_that_many_pipelines_use_rises_while_they_join(book: StrikeBook, store: Engine) -> None:
    seen = []
    for number in range(10):
        book.keep(_strike(f"dag_{number}"))
        row = _open(store)
        seen.append((row["severity"], row["report"]["urgency_level"]))
    assert [severity for severity, _ in seen] == ["low", *["medium"] * 2, *["high"] * 7]
    assert all(Severity(urgency).rank >= Severity(severity).rank for severity, urgency in seen)
    assert _told(row) == [
        "severity medium: 2 task instances of 2 Dags failed for this cause",
        "severity high: 4 task instances of 4 Dags failed for this cause",
    ]


def test_tasks_that_try_on_are_held_up_too(book: StrikeBook, store: Engine) -> None:
    book.keep(_strike("dag_0"))
    assert _open(store)["severity"] == "low"
    for number in range(1, 4):
        assert book.keep(_strike(f"dag_{number}", StrikeAction.RETRY, number=1)) is None
    row = _open(store)
    assert (row["severity"], len(row["affected"])) == ("high", 1)
    assert "4 task instances of 4 Dags failed for this cause" in row["assessment"]["reasons"]


@pytest.mark.parametrize(
    "other",
    [
        Circumstances(target="other"),
        Circumstances(target="shop", is_target_guessed=True),
        Circumstances(),
    ],
)
def test_what_fails_for_something_else_makes_nothing_worse(
    book: StrikeBook, store: Engine, other: Circumstances
) -> None:
    book.keep(_strike("dag_0"))
    for number in range(1, 5):
        book.keep(_strike(f"dag_{number}", StrikeAction.RETRY, number=1, circumstances=other))
    assert _open(store)["severity"] == "low"


def test_what_joins_is_assessed_as_what_opens(book: StrikeBook, store: Engine) -> None:
    book.keep(_strike("dag_0"))
    assert _open(store)["severity"] == "low"
    promised = Impact(domain="market", assets=("market.stock_prices",), owners=("ann",))
    for _ in range(2):
        book.keep(_strike("prices", impact=promised))
    row = _open(store)
    assert row["severity"] == row["report"]["urgency_level"] == "critical"
    assessment = row["assessment"]
    assert assessment["assets"] == ["market.stock_prices"]
    assert {"ann", "market-data"} <= set(assessment["owners"])
    assert assessment["opened_as"] == "critical"
    (line,) = _told(row)
    assert line.startswith("severity critical: prices / load joined: not refreshed: market.stock_prices; read by")


def test_what_joins_first_with_tasks_that_wait_is_seen(book: StrikeBook, store: Engine) -> None:
    book.keep(_strike("dag_0"))
    second = _strike("dag_0", impact=Impact(domain="shop", downstream_tasks=("gate",)))
    book.keep(replace(second, task_try=replace(second.task_try, task_id="other")))
    row = _open(store)
    assert row["severity"] == "medium"
    assert _told(row) == ["severity medium: dag_0 / other joined: 1 later task(s) of the Dag wait"]


def test_an_answered_incident_becomes_no_worse(book: StrikeBook, store: Engine) -> None:
    opened = book.keep(_strike("dag_0"))
    assert opened is not None
    Incidents(store).answer(opened.id, Answer.RETRY, "person:ann")
    found = Assessment(severity=Severity.CRITICAL, reasons=("x",))
    assert not IncidentHarm(store).joined(opened.id, found, "late")
    assert Incidents(store).get(opened.id)["severity"] == "low"


def test_a_policy_that_cannot_be_read_costs_no_strike(store: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "governance" / "policies"
    folder.mkdir(parents=True)
    (folder / "escalation.yaml").write_text("kind: escalation\nseverity: soon\n", encoding="utf-8")
    book = StrikeBook(store, _PATTERNS, tmp_path)
    for number in range(4):
        assert book.keep(_strike(f"dag_{number}")) is not None
    assert _open(store)["severity"] == "high", "what is built in holds"


def test_rises_that_a_channel_was_not_told_of_are_found(book: StrikeBook, store: Engine) -> None:
    harm, notifications = IncidentHarm(store), Notifications(store)
    book.keep(_strike("dag_0"))

    def tell(channel: str, event: Event = Event.OPENED, level: int = 0) -> None:
        message = incident_message(_open(store), event, level).to_json()
        key = {"subject": message["subject"], "event": event, "level": level}
        notifications.plan(**key, channel=channel, message=message, now=utc_now())

    assert harm.untold() == [], "nobody was told anything yet: its opening is"
    tell("log")
    tell("team")
    assert harm.untold() == []
    book.keep(_strike("dag_1"))
    (row,) = harm.untold()
    assert (row["severity"], row["told_channels"]) == ("medium", [])
    tell("log", Event.SEVERITY_RAISED, 1)
    assert harm.untold()[0]["told_channels"] == ["log"]
    tell("team", Event.SEVERITY_RAISED, 1)
    assert harm.untold() == []
    Incidents(store).resolve(row["id"], "person:ann", "done")
    book.keep(_strike("dag_2"))
    assert harm.untold() == []


def test_routes_for_an_opening_take_a_rise_and_levels_of_escalation_are_not_mixed_in(
    book: StrikeBook, store: Engine
) -> None:
    book.keep(_strike("dag_0"))
    message = incident_message(_open(store), Event.SEVERITY_RAISED, 3)
    assert Route(channels=("a",), events=(Event.OPENED,)).takes(message)
    assert Route(channels=("a",), events=(Event.SEVERITY_RAISED,)).takes(message)
    assert not Route(channels=("a",), events=(Event.RESOLVED,)).takes(message)
    assert not Route(channels=("a",), min_level=2).takes(message)
    assert not Route(channels=("a",), severities=("high",)).takes(message)
    assert message.title.startswith("Worse than it was: ")
    assert "Severity low now: nothing is known to wait for it" in message.text
