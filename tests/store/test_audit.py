"""The audit trail holds, and shows every way of tampering with it."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from groundwork.store.audit import AuditTrail
from groundwork.store.migrate import migrate
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


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
    ],
)
def test_tampering_past_the_trigger_shows(
    trail: AuditTrail, database: Database, statement: str, broken_at: int
) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE groundwork.audit_event DISABLE TRIGGER USER"))
        connection.execute(text(statement))
    verdict = trail.verify()
    assert not verdict.is_intact
    assert verdict.broken_at == broken_at


def test_migrating_twice_changes_nothing(trail: AuditTrail, database: Database) -> None:
    migrate(database.engine)
    assert trail.verify().events == 3
