"""The audit trail: append-only, hash-chained, verifiable.

Each event's hash covers its content and the hash of the event before it, so that a changed, removed or reordered row
breaks the chain. A trigger refuses UPDATE, DELETE and TRUNCATE; the chain shows it if somebody removed the trigger.
Marks (`groundwork.store.audit_mark`) show a chain that was written anew as a whole, or cut off at its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Engine, Index, Table, Text, func, select, text
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.store import audit_mark
from groundwork.store.audit_mark import AUDIT_MARK, Mark
from groundwork.store.base import METADATA, moment, utc_now

_LOCK = 5_201_811  # advisory lock that orders writers; any fixed number of ours
GENESIS = "0" * 64
_START = Mark(sequence=0, hash=GENESIS)
_WHOLE_EVERY = timedelta(days=1)
AUDIT_EVENT = Table(
    "audit_event",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3, … without a gap"),
    moment("occurred_at"),
    Column("actor", Text, nullable=False, comment="Dag and task, API key id, or command-line user"),
    Column("action", Text, nullable=False, comment="verb in the past: migration_applied, grant_changed, …"),
    Column("subject", Text, nullable=False, comment="what it was done to, e.g. warehouse:market.orders"),
    Column("operation_id", Text),
    Column("section", Text),
    Column("details", JSONB, nullable=False, comment="no personal data value"),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Index(None, "occurred_at"),
)


@dataclass(frozen=True, kw_only=True)
class ChainVerdict:
    """Whether the chain holds; `broken_at` is the sequence number of the first event that does not fit."""

    events: int
    is_intact: bool
    broken_at: int | None = None
    reason: str | None = None


class AuditTrail:
    """Repository of audit events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(
        self,
        *,
        actor: str,
        action: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
        operation_id: str | None = None,
        section: str | None = None,
    ) -> int:
        """Add one event in a transaction of its own and return its sequence number."""
        with self._engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            last = connection.execute(
                select(AUDIT_EVENT.c.sequence, AUDIT_EVENT.c.hash).order_by(AUDIT_EVENT.c.sequence.desc()).limit(1)
            ).first()
            event = {
                "sequence": last.sequence + 1 if last else 1,
                "occurred_at": utc_now(),
                "actor": actor,
                "action": action,
                "subject": subject,
                "operation_id": operation_id,
                "section": section,
                "details": json.loads(json.dumps(dict(details or {}), default=str)),
                "previous_hash": last.hash if last else GENESIS,
            }
            connection.execute(AUDIT_EVENT.insert().values(**event, hash=_hash(event)))
            return int(event["sequence"])

    def verify(self) -> ChainVerdict:
        """Recompute the whole chain from the first event, and hold it to all marks; changes nothing."""
        with self._engine.connect() as connection:
            verdict, _ = _recomputed(connection, _START)
            return verdict if not verdict.is_intact else _held_to_marks(connection, verdict)

    def verify_onwards(self, now: datetime) -> ChainVerdict:
        """Hold the chain to all marks, recompute what came after the newest, and mark how far it is intact.

        Once a day, and until it succeeds, the chain is recomputed from the first event.
        """
        with self._engine.begin() as connection:
            is_whole = not audit_mark.was_whole_since(connection, now - _WHOLE_EVERY, now)
            start = _START if is_whole else (audit_mark.newest(connection) or _START)
            verdict, last = _recomputed(connection, start)
            verdict = _held_to_marks(connection, verdict) if verdict.is_intact or not is_whole else verdict
            if verdict.is_intact and (is_whole or last.sequence > start.sequence):
                audit_mark.keep(connection, last, now, is_whole=is_whole)
            return verdict

    def latest(self, limit: int = 50) -> list[Mapping[str, Any]]:
        """The newest events first; columns of `audit_event`."""
        with self._engine.connect() as connection:
            query = select(AUDIT_EVENT).order_by(AUDIT_EVENT.c.sequence.desc()).limit(limit)
            return [dict(row) for row in connection.execute(query).mappings()]


def protect(connection: Connection) -> None:
    """Make the table refuse every change but INSERT; idempotent. Called by the store's migration."""
    for statement in _PROTECTION:
        connection.execute(text(statement))


_PROTECTION = (
    """
    CREATE OR REPLACE FUNCTION groundwork.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE OR REPLACE TRIGGER audit_event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON groundwork.audit_event FOR EACH STATEMENT EXECUTE FUNCTION groundwork.refuse_audit_change()
    """,
)


def _recomputed(connection: Connection, start: Mark) -> tuple[ChainVerdict, Mark]:
    """The events behind `start`, and how far they are intact."""
    sequence, previous = start.sequence, start.hash
    query = select(AUDIT_EVENT).order_by(AUDIT_EVENT.c.sequence)
    if sequence:  # the whole chain has no event before the first one either
        query = query.where(AUDIT_EVENT.c.sequence > sequence)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows.mappings():
            sequence += 1
            reason = _fault(row, expected_sequence=sequence, expected_previous=previous)
            if reason:
                verdict = ChainVerdict(events=sequence, is_intact=False, broken_at=row["sequence"], reason=reason)
                return verdict, Mark(sequence=sequence - 1, hash=previous)
            previous = row["hash"]
    return ChainVerdict(events=sequence, is_intact=True), Mark(sequence=sequence, hash=previous)


def _held_to_marks(connection: Connection, verdict: ChainVerdict) -> ChainVerdict:
    """The verdict, unless an event that was once found intact is another one now, or gone."""
    mark, event = AUDIT_MARK.c, AUDIT_EVENT.c
    query = (
        select(mark.sequence, event.hash.label("found"))
        .select_from(AUDIT_MARK.outerjoin(AUDIT_EVENT, mark.sequence == event.sequence))
        .where(mark.sequence > 0, mark.hash.is_distinct_from(event.hash))
        .order_by(mark.sequence)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return verdict
    what = "is gone: events were cut off" if row.found is None else "is another one now: history was written anew"
    reason = f"the event that was once verified {what}"
    return ChainVerdict(events=verdict.events, is_intact=False, broken_at=row.sequence, reason=reason)


def _fault(row: Any, *, expected_sequence: int, expected_previous: str) -> str | None:
    if row["sequence"] != expected_sequence:
        return f"expected event {expected_sequence}, found {row['sequence']}: an event was removed"
    if row["previous_hash"] != expected_previous:
        return "the event does not follow the one before it"
    if row["hash"] != _hash(row):
        return "the event's content was changed after it was written"
    return None


def _hash(event: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of everything but the hash itself; times in UTC to the microsecond."""
    covered = {key: event[key] for key in event if key != "hash"}
    covered["occurred_at"] = event["occurred_at"].astimezone(tz=utc_now().tzinfo).isoformat(timespec="microseconds")
    canonical = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
