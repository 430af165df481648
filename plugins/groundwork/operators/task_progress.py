"""How far a load is, in the log of its task and in the task's state, where the UI shows it while the task runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from groundwork.flow.loads.progress import Progress

_EVERY_SECONDS = 10.0  # a load of a day shall not fill the log
STATE = "load_progress"  # key in the task's state store


def progress_listener(log: Logger, context: Any) -> Callable[[Progress], None]:
    """What a load tells its progress to; says something at most every ten seconds."""
    told_at = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < _EVERY_SECONDS:
            return
        told_at = time.monotonic()
        log.info("%s", progress)
        store = context.get("task_state_store")
        if store is not None:
            store.set(STATE, asdict(progress))

    return tell
