"""Waiting for what must come: as long as a slow machine needs, and not a moment longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, text

PATIENCE_SECONDS = 240.0
PROCESS_SECONDS = 600.0  # for a program that imports much and runs to its end
_LOOK_SECONDS = 0.02
_WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid AND wait_event_type = 'Lock'")
_SLEEPS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'")
Found = TypeVar("Found")


def until(what: Callable[[], Found], told: str = "it") -> Found:
    """What `what` returns once that is true; fails when it never is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < deadline, f"{told} did not come within {PATIENCE_SECONDS:.0f} s"
        time.sleep(_LOOK_SECONDS)
    return found


def until_it_waits(engine: Engine, pid: int) -> None:
    """Return when the session `pid` waits for a lock."""
    until(lambda: _counted(engine, pid), f"the waiting of session {pid}")


def is_asleep(engine: Engine) -> bool:
    """Whether a session in the engine's database is within `pg_sleep`."""
    with engine.connect() as connection:
        return bool(connection.execute(_SLEEPS).scalar_one())


def _counted(engine: Engine, pid: int) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_WAITS, {"pid": pid}).scalar_one())
