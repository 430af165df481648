"""Steps of a long command: each named when it begins, and told with its outcome and seconds when it ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Step:
    """One running step; `outcome` is what is said at its end."""

    name: str
    outcome: str = "done"


@dataclass
class Steps:
    """Tells `write` one line per step and keeps the seconds of each."""

    write: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Measure the block; a step that raises is told as failed, and its exception goes on."""
        step = Step(name)
        started = time.monotonic()
        try:
            yield step
        except BaseException:
            step.outcome = "failed"
            raise
        finally:
            self.seconds[name] = time.monotonic() - started
            self.write(f"  {name:<24} {step.outcome:<46} {self.seconds[name]:6.1f} s")

    def note(self, text: str) -> None:
        """Say something between the steps."""
        self.write(f"  {text}")
