"""The audit trail holds, and shows every way of tampering with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres
_NOW = datetime(2026, 1, 2, tzinfo=UTC)
_TOMORROW = _NOW + timedelta(days=1, minutes=10)
_EARLIER = (
    "INSERT INTO groundwork.audit_event SELECT 0, occurred_at, actor, action, subject, operation_id, section, details, "
    "previous_hash, 'x' FROM groundwork.audit_event WHERE sequence = 1"
)
_CONTENT = "UPDATE groundwork.audit_event SET actor = 'nobody' WHERE sequence = "


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    migrate(database.engine)
    trail = AuditTrail(database.engine)
    for number in range(3):
        trail.append(actor="test", action="thing_done", subject=f"thing {number}", details={"number": number})
    return trail


def test_an_untouched_chain_is_intact(trail: AuditTrail) -> None:
    verdict = trail.verify()
    assert verdict.is_intact
    assert verdict.events == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE groundwork.audit_event SET actor = 'x'",
        "DELETE FROM groundwork.audit_event",
        "TRUNCATE groundwork.audit_event",
        "UPDATE groundwork.audit_mark SET sequence = 1",
        "DELETE FROM groundwork.audit_mark",
        "TRUNCATE groundwork.audit_mark",
    ],
)
def test_changes_are_refused(trail: AuditTrail, database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"), database.engine.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE groundwork.audit_event SET details = '{\"number\": 9}' WHERE sequence = 2", 2),
        ("DELETE FROM groundwork.audit_event WHERE sequence = 1", 2),
        ("UPDATE groundwork.audit_event SET hash = repeat('f', 64) WHERE sequence = 3", 3),
        (_EARLIER, 0),
    ],
)
def test_tampering_past_the_trigger_shows(
    trail: AuditTrail, database: Database, statement: str, broken_at: int
) -> None:
    tamper(database, statement)
    verdict = trail.verify()
    assert not verdict.is_intact
    assert verdict.broken_at == broken_at
    assert trail.verify_onwards(_NOW) == verdict, "without a mark the whole chain is looked at"


def tamper(database: Database, *statements: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))


def marks(database: Database) -> list[tuple[int, bool]]:
    with database.engine.connect() as connection:
        query = "SELECT sequence, is_whole FROM groundwork.audit_mark ORDER BY id"
        return [(row[0], row[1]) for row in connection.execute(text(query))]


def test_verifying_goes_on_from_its_mark_and_is_whole_once_a_day(trail: AuditTrail, database: Database) -> None:
    for _ in range(2):
        assert trail.verify_onwards(_NOW).events == 3
    trail.append(actor="test", action="thing_done", subject="thing 3")
    assert trail.verify_onwards(_NOW).events == 4
    assert trail.verify_onwards(_TOMORROW).is_intact
    assert marks(database) == [(3, True), (4, False), (4, True)]
    assert trail.verify().is_intact
    assert len(marks(database)) == 3, "the command changes nothing"


def test_tampering_behind_the_mark_shows_at_once_and_before_it_within_a_day(
    trail: AuditTrail, database: Database
) -> None:
    assert trail.verify_onwards(_NOW).is_intact
    tamper(database, f"{_CONTENT} 2")
    assert trail.verify_onwards(_NOW).is_intact
    assert trail.verify().broken_at == 2
    for later in (_TOMORROW, _TOMORROW + timedelta(minutes=10)):
        assert trail.verify_onwards(later).broken_at == 2, "until it is whole again"
    trail.append(actor="test", action="thing_done", subject="thing 3")
    tamper(database, f"{_CONTENT} 4")
    assert trail.verify_onwards(_NOW).broken_at == 4
    assert marks(database) == [(3, True)]


def test_a_history_that_was_written_anew_does_not_have_its_marks(trail: AuditTrail, database: Database) -> None:
    assert trail.verify_onwards(_NOW).is_intact
    tamper(database, "DELETE FROM groundwork.audit_event")
    for number in range(4):
        trail.append(actor="nobody", action="thing_done", subject=f"thing {number}")
    for verdict in (trail.verify(), trail.verify_onwards(_NOW)):
        assert (verdict.broken_at, verdict.reason) == (
            3,
            "the event that was once verified is another one now: history was written anew",
        )


def test_events_that_were_cut_off_at_the_end_are_missed(trail: AuditTrail, database: Database) -> None:
    assert trail.verify_onwards(_NOW).is_intact
    tamper(database, "DELETE FROM groundwork.audit_event WHERE sequence > 1")
    for verdict in (trail.verify(), trail.verify_onwards(_NOW)):
        assert (verdict.broken_at, verdict.reason) == (
            3,
            "the event that was once verified is gone: events were cut off",
        )


def test_a_mark_of_the_future_does_not_put_off_the_whole_chain(trail: AuditTrail, database: Database) -> None:
    assert trail.verify_onwards(_NOW).is_intact
    trail.verify_onwards(_NOW + timedelta(days=3650))
    tamper(database, f"{_CONTENT} 2")
    assert trail.verify_onwards(_TOMORROW).broken_at == 2


def test_migrating_twice_changes_nothing(trail: AuditTrail, database: Database) -> None:
    migrate(database.engine)
    assert trail.verify().events == 3
