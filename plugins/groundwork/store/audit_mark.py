"""Up to which event the audit trail was found intact: marks by which verifying goes on, and history is held to.

Grain: `audit_mark` one row per verification that found the chain intact and longer, or whole. Append-only as the trail
itself: who rewrites events has to rewrite every later mark as well, past a second trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Connection, Select, Table, Text, insert, select, text

from groundwork.store.base import METADATA, identity, moment

AUDIT_MARK = Table(
    "audit_mark",
    METADATA,
    identity(),
    Column("sequence", BigInteger, nullable=False, comment="of the last event that was verified"),
    Column("hash", Text, nullable=False, comment="of that event, which it must have for ever"),
    Column("is_whole", Boolean, nullable=False, comment="whether the chain was verified from its first event"),
    moment("marked_at"),
)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """The events up to `sequence`, whose last one has the hash `hash`, were found intact."""

    sequence: int
    hash: str


def newest(connection: Connection) -> Mark | None:
    """The mark from which verifying may go on; null before the first."""
    row = connection.execute(_ordered().limit(1)).first()
    return Mark(sequence=row.sequence, hash=row.hash) if row else None


def was_whole_since(connection: Connection, since: datetime, now: datetime) -> bool:
    """Whether the chain was verified from its first event after `since`; marks of the future count for nothing."""
    mark = AUDIT_MARK.c
    query = _ordered().where(mark.is_whole, mark.marked_at > since, mark.marked_at <= now).limit(1)
    return connection.execute(query).first() is not None


def keep(connection: Connection, mark: Mark, now: datetime, *, is_whole: bool) -> None:
    """Add a mark."""
    values = {"sequence": mark.sequence, "hash": mark.hash, "is_whole": is_whole, "marked_at": now}
    connection.execute(insert(AUDIT_MARK).values(**values))


def protect_marks(connection: Connection) -> None:
    """Make the table refuse every change but INSERT; idempotent. Called by the store's migration."""
    connection.execute(
        text(
            """
            CREATE OR REPLACE TRIGGER audit_mark_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON groundwork.audit_mark FOR EACH STATEMENT EXECUTE FUNCTION groundwork.refuse_audit_change()
            """
        )
    )


def _ordered() -> Select[Any]:
    return select(AUDIT_MARK).order_by(AUDIT_MARK.c.sequence.desc(), AUDIT_MARK.c.id.desc())
