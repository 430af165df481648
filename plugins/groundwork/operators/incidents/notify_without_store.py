"""Tells people while Groundwork's own store is away, when nothing can be kept and no incident opened.

The strike waits in the spool, and its incident opens when the store is back; the people who have to bring it back hear
of it now. Told once an hour per cause and machine, by a marker file: many tasks fail when a database does.
"""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from groundwork.operators.incidents.notify import Delivery, link, send_past_store
from groundwork.orbt.incidents.notifications import Event, Message, cut, one_line

if TYPE_CHECKING:
    from groundwork.model.fault import Strike
    from groundwork.orbt.patterns import Pattern
    from groundwork.orbt.response import Responder, Response

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 3600


def tell_without_store(strike: Strike, pattern: Pattern, home: Path) -> list[Delivery]:
    """Tell of a strike on which a person is to be asked while the store is away; nothing when it was told just now.

    Never raises. What no channel took is told again with the next failure.
    """
    try:
        return _tell(strike, pattern, home)
    except Exception:  # the caller answers a failure; this must not make it worse
        _log.exception("nobody could be told while the store is away")
        return []


def tell_spooled(response: Response, responder: Responder) -> list[Delivery]:
    """As `tell_without_store`, for a response that waits in the spool and asks a person; nothing for any other."""
    from groundwork.model.fault import StrikeAction

    strike = response.strike
    if not response.is_spooled or strike.action is StrikeAction.RETRY:
        return []
    return tell_without_store(strike, responder.patterns.named(strike.fault.fault_class), responder.home)


def _tell(strike: Strike, pattern: Pattern, home: Path) -> list[Delivery]:
    from groundwork.orbt.incidents.escalation import cause_of

    cause = cause_of(strike, pattern)
    marker = _claimed(home / "told", cause)
    if marker is None:
        return []
    message = _message(strike, pattern, cause)
    told = send_past_store(message)
    if not any(each.state == "sent" for each in told):
        _forget(marker)
    return told


def _forget(marker: Path) -> None:
    try:
        marker.unlink(missing_ok=True)
    except OSError:  # it was never made
        _log.debug("there is no marker %s", marker)


def _claimed(folder: Path, cause: str) -> Path | None:
    """The marker of this cause and hour, made now; null when it was there. A disk that is full or closed marks nothing
    and keeps nobody from being told.
    """
    hour = int(time.time() // _QUIET_SECONDS)
    marker = folder / f"{hashlib.sha256(cause.encode()).hexdigest()[:24]}.{hour}"
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
        for old in folder.glob("*.*"):
            if old.suffix[1:].isdigit() and int(old.suffix[1:]) < hour - 1:
                old.unlink(missing_ok=True)
        marker.touch(exist_ok=False)
    except OSError as error:
        if isinstance(error, FileExistsError) and marker.exists():
            return None
        _log.warning("that people were told cannot be marked in %s", folder)
    return marker


def _message(strike: Strike, pattern: Pattern, cause: str) -> Message:
    at = f"{strike.task_try.dag_id} / {strike.task_try.task_id}"
    lines = (
        "Groundwork's store does not answer: no incident can be opened, and strikes wait on the worker's disk.",
        strike.reason,
        f"Last error: {strike.fault.exception}: {strike.fault.message}",
        *(f"Tried: {each.remedy}: {each.report}" for each in strike.remedies),
        *(f"Advice: {line}" for line in pattern.recommendations),
    )
    return Message(
        subject=f"store away: {cause}",
        event=Event.OPENED,
        domain=strike.impact.domain,
        urgency="critical",
        severity="critical",
        fault_class=strike.fault.fault_class,
        title=one_line(f"Needs a decision, and the store is away: {strike.fault.fault_class} at {at}"),
        text=cut("\n".join(lines)),
        link=link("incidents"),
        facts={"cause": cause, "dag_id": strike.task_try.dag_id, "task_id": strike.task_try.task_id},
    )
