"""Time of a run: work takes its real time, waiting between tries is counted and not slept.

What is booked for a moment happens as soon as waiting passes it. Whoever works meanwhile sees the world as it was when
the work began, but for what the fault itself does in the middle of it.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Clock:
    """Seconds since the run began; `on_skip` is told of every stretch that was not slept."""

    on_skip: Callable[[float], None] = lambda _: None
    skipped: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _booked: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def begin(self) -> None:
        """Count from here."""
        self._started, self.skipped = time.monotonic(), 0.0

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started + self.skipped

    def real(self) -> float:
        """Seconds that really passed since the beginning."""
        return time.monotonic() - self._started

    def at(self, seconds: float, what: Callable[[], object]) -> None:
        """Book something for a moment."""
        heapq.heappush(self._booked, (seconds, next(self._order), what))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now() + max(0.0, seconds)
        while self._booked and self._booked[0][0] <= until:
            heapq.heappop(self._booked)[2]()
        skip = max(0.0, until - self.now())
        self.skipped += skip
        self.on_skip(skip)

    def finish(self) -> None:
        """Let all happen that is booked."""
        while self._booked:
            heapq.heappop(self._booked)[2]()
