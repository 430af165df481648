"""Keeps questions about code from going in circles: names are bound to each other, functions call each other."""

from __future__ import annotations

from dataclasses import dataclass, field

_DEEPEST = 1500  # steps from one expression to another before it counts as unknown
_PATIENCE = 2000  # steps after which an answer from inside of a circle is good enough


@dataclass(eq=False)
class Guard:
    """What is being read at the moment; `cuts` counts how often a circle was left without an answer.

    An answer that was found inside of a circle may be a part only, so it is not kept. After many steps of one question
    it is kept all the same: circles within circles would be walked for ever.
    """

    active: set[object] = field(default_factory=set)
    cuts: int = 0
    steps: int = 0

    def is_busy(self, key: object) -> bool:
        """Whether something is being read already, or too deep to begin with it."""
        if key in self.active or len(self.active) > _DEEPEST:
            self.cuts += 1
            return True
        self.steps = self.steps + 1 if self.active else 0
        return False

    def may_keep(self, cuts: int) -> bool:
        """Whether an answer may be kept, when there were `cuts` before the question."""
        return self.cuts == cuts or not self.active or self.steps > _PATIENCE

    def enter(self, key: object) -> bool:
        """Note that something is being read; false when it is already."""
        if key in self.active:
            self.cuts += 1
            return False
        self.active.add(key)
        return True
