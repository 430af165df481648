"""The watcher of a stream, in Airflow's triggerer: it wakes the Dag that drains the stream when changes wait.

An event can get lost or come late in Airflow, so it carries nothing that matters: the drain reads the stream from its
position, and a timed run of the same Dag stands behind. While changes wait and nobody drains, the watcher reminds.
Besides, it runs the guard, so that a stream whose Dag is paused does not fill its source's disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from groundwork.model.errors import GroundworkError
from groundwork.settings import WAREHOUSE_CONNECTION

_REMIND_SECONDS = 60.0  # a run that was lost is asked for again
_MEASURE_SECONDS = 15.0  # how often lag is written for the pages, and the guard looks
_LONGEST_PAUSE_SECONDS = 60.0  # between two tries to reach a source that is away


class StreamTrigger(BaseEventTrigger):
    """Fires when changes of a stream wait and no consumer is at work.

    :param stream: `domain.connection`
    :param source_connection_id: Airflow connection of the source
    :param connection_id: Airflow connection of the warehouse
    :param poll_seconds: how often the source is asked
    """

    def __init__(
        self,
        *,
        stream: str,
        source_connection_id: str,
        connection_id: str = WAREHOUSE_CONNECTION,
        poll_seconds: float = 1.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.stream = stream
        self.source_connection_id = source_connection_id
        self.connection_id = connection_id
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """What makes the trigger anew in the triggerer."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "stream": self.stream,
                "source_connection_id": self.source_connection_id,
                "connection_id": self.connection_id,
                "poll_seconds": self.poll_seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event per position at which changes wait, again after a minute; for as long as the triggerer runs it."""
        from asgiref.sync import sync_to_async

        look, guard = sync_to_async(self.look), sync_to_async(self.guard)
        told, told_at, guarded_at, pause = None, 0.0, 0.0, self.poll_seconds
        while True:
            try:
                found = await look()
                if time.monotonic() - guarded_at > _MEASURE_SECONDS:
                    guarded_at = time.monotonic()
                    await guard()
                pause = self.poll_seconds
            except GroundworkError as error:
                # A watcher that ended would not come back: the source may be away for a while.
                self.log.warning("the stream %s cannot be watched now: %s", self.stream, error)
                found, pause = None, min(pause * 2, _LONGEST_PAUSE_SECONDS)
            if found is not None and (found[0] != told or time.monotonic() - told_at > _REMIND_SECONDS):
                told, told_at = found[0], time.monotonic()
                yield TriggerEvent({"stream": self.stream, "waiting": found[1]})  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause)

    def look(self) -> tuple[str, str] | None:
        """The position at which changes wait and what waits, or null. Raises: RetriableError without a connection."""
        from groundwork.flow.capture.lag import pending
        from groundwork.operators import connections

        return pending(self.stream, connections.url(self.source_connection_id), connections.engine(self.connection_id))

    def guard(self) -> None:
        """Measure the stream's lag, and give it up when it must be. Raises: RetriableError without a connection."""
        from groundwork.flow.capture.guard import guard
        from groundwork.flow.capture.lag import status
        from groundwork.operators import connections

        source, target = connections.url(self.source_connection_id), connections.engine(self.connection_id)
        status(self.stream, source, target)
        reason = guard(self.stream, source, target)
        if reason is not None:
            self.log.warning("the stream %s was given up: %s", self.stream, reason)
