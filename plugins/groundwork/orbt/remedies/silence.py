"""A target that does not answer is waited for once in a strike: what remedies learn of it there, later ones are told.

Only the target's own engine is looked at, so that remedies for exactly this case (a replica, a fallback, a kept answer)
run as ever. A server that refuses at once costs nothing and is asked each time; so is one that has answered before,
because what a remedy changed there has to be undone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


class TargetSilentError(ConnectionError):
    """The target did not answer when it was asked before."""


def said_nothing(error: BaseException) -> bool:
    """Whether a driver waited for an answer to its connection until the time was up; known by the name of the error."""
    return type(getattr(error, "orig", error)).__name__ == "ConnectionTimeout"


@contextmanager
def learnt_once(target: Engine, connection_id: str, *, is_silent: bool = False) -> Iterator[None]:
    """Within, sessions of `target` and of pools made from its own are refused once one was waited for in vain.

    `is_silent`: that is known already. Inside, connecting raises TargetSilentError then. Nothing stays afterwards.
    """
    has_answered = False

    def connect(dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        nonlocal is_silent, has_answered
        if is_silent:
            raise TargetSilentError(f"`{connection_id}` did not answer in this strike and was not waited for again")
        try:
            session = dialect.connect(*arguments, **options)
        except Exception as error:
            is_silent = said_nothing(error) and not has_answered
            raise
        has_answered = True
        return session

    event.listen(target, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(target, "do_connect", connect)
