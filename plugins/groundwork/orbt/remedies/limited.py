"""Work under a deadline: in a thread of its own, whose sessions are ended when the time is up."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

from groundwork.orbt.remedies.confinement import Confinement

_GRACE_SECONDS = 3.0  # for the thread to notice that its sessions are gone


class DeadlineError(Exception):
    """The time was up; the sessions were ended."""


def within(seconds: float, confinement: Confinement, work: Callable[[], None]) -> None:
    """Do `work`; raises what it raises, whatever that is as an Exception.

    Raises: DeadlineError when it was not done in time. What the thread still does then reaches no server of ours.
    """
    raised: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(guarded), name=confinement.name, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        confinement.stop()
        thread.join(_GRACE_SECONDS)
        raise DeadlineError(f"it was not done in {seconds:g} s and was stopped")
    if raised:
        if isinstance(raised[0], Exception):
            raise raised[0]
        raise RuntimeError(f"it ended by {type(raised[0]).__name__}") from raised[0]
