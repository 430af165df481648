"""An incident that was closed too early is opened again: its life begins anew, what was before stays on its timeline.

Nothing of its last answer holds any longer, neither a silence nor what was carried out. A review that was written is
kept as evidence. What people were told until then is set aside, so that they are told anew; what had not reached them
by then is told no more. One cause has one open incident: while another one is open, that one is named instead.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, case, func, select

from groundwork.store.base import utc_now
from groundwork.store.incident_table import INCIDENT, entry
from groundwork.store.notification import NOTIFICATION

OPENED_AGAIN = "opened again: "  # how the line of a timeline begins that tells why
_ANEW: Mapping[str, Any] = {  # columns of an incident whose life begins
    "state": "open", "level": 0, "progress": {}, "answer": None, "answer_details": {}, "answered_by": None,
    "answered_at": None, "acknowledged_by": None, "acknowledged_at": None, "silenced_until": None,
    "silenced_strikes": 0, "resolved_at": None, "settled_at": None, "review": None, "reviewed_by": None,
    "reviewed_at": None,
}  # fmt: skip
_ASPECTS = {"what_happened": "What happened", "cause": "Cause", "changed": "Changed"}


@dataclass(frozen=True, kw_only=True)
class Reopening:
    """What became of opening an incident again; `instead` is the one of the same cause that is open."""

    is_done: bool
    instead: uuid.UUID | None = None


def reopen(connection: Connection, row: Mapping[str, Any], why: str, by: str) -> Reopening:
    """Open a closed incident (a row of `incident`, locked) again; nothing is done when it is not over.

    The caller holds the lock of its cause (`lock_cause`).
    """
    if row["state"] != "resolved":
        return Reopening(is_done=False)
    same = select(INCIDENT.c.id).where(INCIDENT.c.cause == row["cause"], INCIDENT.c.state == "open")
    instead = connection.execute(same).scalar()
    if instead is not None:
        return Reopening(is_done=False, instead=instead)
    now = utc_now()
    values = {
        **_ANEW,
        "reopened_at": now,
        "reopenings": row["reopenings"] + 1,
        "evidence": [*row["evidence"], *_review(row)],
        "timeline": [*row["timeline"], entry(now, f"{OPENED_AGAIN}{why}", by)],
    }
    connection.execute(INCIDENT.update().where(INCIDENT.c.id == row["id"]).values(**values))
    _set_aside(connection, row)
    return Reopening(is_done=True)


def lock_cause(connection: Connection, cause: str) -> None:
    """Let callers of one cause go one after the other, until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(cause, 0))))


def _review(row: Mapping[str, Any]) -> list[dict[str, str]]:
    if not row["review"]:
        return []
    told = "\n".join(f"{words}: {row['review'].get(name, '')}" for name, words in _ASPECTS.items())
    return [{"title": f"Review by {row['reviewed_by']}, before it was opened again", "content": told}]


def _set_aside(connection: Connection, row: Mapping[str, Any]) -> None:
    known = NOTIFICATION.c
    is_open = known.state.in_(("waiting", "sending", "failed"))
    aside = (
        NOTIFICATION.update()
        .where(known.subject == str(row["id"]))
        .values(
            subject=f"{row['id']} before reopening {row['reopenings'] + 1}",
            state=case((is_open, "given_up"), else_=known.state),
        )
    )
    connection.execute(aside)
