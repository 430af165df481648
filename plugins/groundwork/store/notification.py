"""Notifications: what was told to whom, and what is still to be told.

Grain: one row per subject (an incident's id, or the name of what else was told), event, level of escalation and
channel. A row is claimed before it is sent, for the time of a lease, so that two processes never send the same at once;
once sent it is never sent again. A process that dies between sending and saying so leaves a row that is sent a second
time when the lease ends: receivers know it by its key, which stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Engine, Index, Integer, Table, Text, UniqueConstraint, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from groundwork.store.base import METADATA, identity, moment

NOTIFICATION = Table(
    "notification",
    METADATA,
    identity(),
    Column("subject", Text, nullable=False, comment="incident id, or the name of what else is told"),
    Column("event", Text, nullable=False, comment="opened, escalated, answered, resolved, alarm, daily_report, …"),
    Column("level", Integer, nullable=False, comment="of escalation; 0 for the first people"),
    Column("channel", Text, nullable=False, comment="name in the policy"),
    Column("state", Text, nullable=False, comment="waiting, sending, sent, failed or given_up"),
    Column("message", JSONB, nullable=False, comment="what is told, without secrets and row values"),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("answer", Text, comment="what came back of the last try, without secrets"),
    moment("created_at"),
    moment("due_at", comment="when the next try may begin; the end of the lease while it is sent"),
    moment("sent_at", nullable=True),
    UniqueConstraint("subject", "event", "level", "channel"),
    Index(None, "due_at", postgresql_where=text("state IN ('waiting', 'sending', 'failed')")),
)
LEASE = timedelta(minutes=5)  # longer than any channel may take to send one message
MOST_TRIES = 10
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=2)
_OPEN = ("waiting", "sending", "failed")


def wait(tries: int) -> timedelta:
    """How long after `tries` failed tries the next one may begin: doubling from a minute, at most two hours.

    >>> [wait(tries).total_seconds() / 60 for tries in (1, 2, 5, 50)]
    [1.0, 2.0, 16.0, 120.0]
    """
    doubled: timedelta = _FIRST_WAIT * 2 ** min(tries - 1, 20)
    return min(doubled, _LONGEST_WAIT)


class Notifications:
    """Repository of notifications; times are passed in."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def plan(
        self, *, subject: str, event: str, level: int, channel: str, message: Mapping[str, Any], now: datetime
    ) -> int:
        """Keep that this is to be told; the row's id, of the earlier one when it was planned before."""
        values = {"subject": subject, "event": event, "level": level, "channel": channel}
        planned = insert(NOTIFICATION).values(
            **values, state="waiting", message=dict(message), created_at=now, due_at=now
        )
        same = select(NOTIFICATION.c.id).where(*(NOTIFICATION.c[name] == value for name, value in values.items()))
        with self._engine.begin() as connection:
            connection.execute(planned.on_conflict_do_nothing(index_elements=list(values)))
            return int(connection.execute(same).scalar_one())

    def claim(self, row_id: int, now: datetime) -> Mapping[str, Any] | None:
        """Take a row that is due, for the time of the lease; null when it is not due, sent, or somebody else's."""
        column = NOTIFICATION.c
        taken = (
            NOTIFICATION.update()
            .where(column.id == row_id, column.state.in_(_OPEN), column.due_at <= now)
            .values(state="sending", tries=column.tries + 1, due_at=now + LEASE)
            .returning(NOTIFICATION)
        )
        with self._engine.begin() as connection:
            row = connection.execute(taken).mappings().first()
        return dict(row) if row else None

    def sent(self, row: Mapping[str, Any], answer: str, now: datetime) -> None:
        """Record that a claimed row reached its channel."""
        self._settle(row, state="sent", answer=answer, sent_at=now)

    def failed(self, row: Mapping[str, Any], answer: str, now: datetime) -> str:
        """Record that it did not; the new state, `failed` (tried again later) or `given_up`."""
        state = "given_up" if row["tries"] >= MOST_TRIES else "failed"
        self._settle(row, state=state, answer=answer, due_at=now + wait(row["tries"]))
        return state

    def get(self, row_id: int) -> Mapping[str, Any]:
        """One row by its id; columns of `notification`. Raises: IndexError when there is none."""
        return self._rows(select(NOTIFICATION).where(NOTIFICATION.c.id == row_id))[0]

    def due(self, now: datetime, limit: int = 200) -> list[Mapping[str, Any]]:
        """What may be tried now, the longest due first; columns of `notification`."""
        column = NOTIFICATION.c
        query = select(NOTIFICATION).where(column.state.in_(_OPEN), column.due_at <= now)
        return self._rows(query.order_by(column.due_at, column.id).limit(limit))

    def of_subject(self, subject: str) -> list[Mapping[str, Any]]:
        """Everything told about one subject, oldest first; columns of `notification`."""
        return self._rows(select(NOTIFICATION).where(NOTIFICATION.c.subject == subject).order_by(NOTIFICATION.c.id))

    def latest(self, limit: int = 50, *, only_failing: bool = False) -> list[Mapping[str, Any]]:
        """The newest first; `only_failing`: those that failed and are tried again or were given up."""
        query = select(NOTIFICATION).order_by(NOTIFICATION.c.id.desc()).limit(limit)
        if only_failing:
            query = query.where(or_(NOTIFICATION.c.state == "failed", NOTIFICATION.c.state == "given_up"))
        return self._rows(query)

    def _settle(self, row: Mapping[str, Any], **values: Any) -> None:
        """Change a claimed row, unless another process took it over after the lease."""
        column = NOTIFICATION.c
        mine = NOTIFICATION.update().where(column.id == row["id"], column.state == "sending")
        with self._engine.begin() as connection:
            connection.execute(mine.where(column.tries == row["tries"]).values(**values))

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
