"""What those around a try know of the retry policy, which itself knows them: its names, and whom it answers by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from groundwork.orbt.response import Responder


class Policy(Protocol):
    """The part of `groundwork.operators.retry_policy.StrikePolicy` that is used around tries; see its parameters.

    `names_connection` tells whether the task's author named the connection, or the default one is taken.
    """

    connection_id: str
    names_connection: bool
    store_connection_id: str
    sources: tuple[str, ...]

    def responder(self) -> Responder:
        """The engine room's responder over this policy's connections."""
