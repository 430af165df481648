"""What a fault is, what is expected of whoever meets it, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .site import Site

EXECUTION_SECONDS = 45.0  # execution_timeout of a task that declares none


class Outcome(StrEnum):
    """How a task with a fault ends."""

    HEALED = "healed"  # it succeeded in the end, as it was meant
    ON_ALTERNATIVE = "healed on alternative"  # it succeeded on another database, answer or statement
    ESCALATED = "escalated"  # a person is asked


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is expected of whoever meets a fault; `kind` groups faults for people."""

    name: str
    kind: str
    fault_class: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Fault(Expected):
    """One fault, how it is made and what follows.

    `work` is what the task does; it raises when it fails, and what it returns goes to `is_right`, which tells what is
    wrong with the result (null: nothing). `make` makes the fault and books when and how it ends by itself. What a
    remedy may change in the warehouse's structure has a word of `may_change` in its line. `is_structural`: the fault is
    itself a change of structure, which has to stay as it was made. `is_long`: it takes many real seconds. `defect`
    tells in which way the product is known to fall short of what is expected.
    """

    make: Callable[[Site], object]
    work: Callable[[Site], Any]
    is_right: Callable[[Site, Any], str | None]
    seed: int = 1
    table: str | None = None
    is_writing: bool = True
    may_change: tuple[str, ...] = ()
    is_structural: bool = False
    execution_seconds: float = EXECUTION_SECONDS
    is_long: bool = False
    needs_small_disk: bool = False
    defect: str | None = None


@dataclass(kw_only=True)
class Found:
    """What one run of a fault came to. `seconds`: from the first start of the task to its success or to the question,
    waiting counted and not slept; `strikes` are rows of `strike`, `wrong_actions` what changed that must not have.
    """

    fault: str
    fault_class: str | None = None
    outcome: Outcome | None = None
    tries: int = 0
    seconds: float = 0.0
    real_seconds: float = 0.0
    data: str | None = None
    report: str | None = None
    wrong_actions: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    error: str | None = None
    broke: str | None = None

    def shortcomings(self, fault: Expected) -> list[str]:
        """What is not as it was expected, one line each."""
        lines = []
        if self.broke is not None:
            lines.append(f"the run broke: {self.broke}")
        if self.fault_class != fault.fault_class:
            lines.append(f"class: expected {fault.fault_class}, found {self.fault_class} ({self.error})")
        if self.outcome != fault.outcome:
            lines.append(f"outcome: expected {fault.outcome}, found {self.outcome}: {'; '.join(self.reasons)}")
        if self.data is not None:
            lines.append(f"data: {self.data}")
        if self.report is not None:
            lines.append(f"report: {self.report}")
        lines += [f"wrong action: {each}" for each in self.wrong_actions]
        return lines
