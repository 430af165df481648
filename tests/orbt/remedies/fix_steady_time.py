"""Time as remedies see it, made steady: a limit is met where the test wants it, and the clock decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

_LOOK_SECONDS = 0.02
_LEAST_GRACE_SECONDS = 60.0


def time_is_up_when(
    monkeypatch: pytest.MonkeyPatch, is_reached: Callable[[], bool], *, least_grace: float = _LEAST_GRACE_SECONDS
) -> None:
    """Let the first piece of work in which `is_reached` comes true run out of its time there, and no other one.

    It has at least `least_grace` seconds to end then; less is for what cannot end.
    """
    is_over = threading.Event()

    class Watched(threading.Thread):
        """A thread for which is waited until the test says so, whatever the limit is."""

        def join(self, timeout: float | None = None) -> None:
            """Return when it has ended or its time is up."""
            if is_over.is_set():
                super().join(timeout and max(timeout, least_grace))
                return
            while self.is_alive():
                if is_reached():
                    is_over.set()
                    return
                super().join(_LOOK_SECONDS)

    monkeypatch.setattr("groundwork.orbt.remedies.limited.threading", SimpleNamespace(Thread=Watched))


def wait_for_what_was_stopped() -> None:
    """Return when no thread of a remedy does anything any more."""
    for thread in threading.enumerate():
        if thread.name.startswith("groundwork:remedy"):
            thread.join(_LEAST_GRACE_SECONDS)
            assert not thread.is_alive()


@pytest.fixture
def cost_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a statement got faster is told by the planner's cost: the clock tells of the load as well."""
    monkeypatch.setattr("groundwork.orbt.remedies.queries.timing._NOISE_SECONDS", 3600.0)
