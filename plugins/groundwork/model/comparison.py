"""A comparison of one measured value with what a contract says it must be.

Owns the eight operators of the Open Data Contract Standard's quality rules and nothing of how a value is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Operator(StrEnum):
    """The operators of the standard (`mustBe`, `mustNotBe`, …), each written as people write it."""

    EQUAL = "="
    NOT_EQUAL = "≠"
    GREATER = ">"
    GREATER_OR_EQUAL = "≥"
    LESS = "<"
    LESS_OR_EQUAL = "≤"
    BETWEEN = "between"
    NOT_BETWEEN = "not between"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`operator` with one value, or with two (both ends included) for the two kinds of between.

    >>> Comparison(operator=Operator.BETWEEN, values=(1, 3)).holds(3)
    True
    """

    operator: Operator
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        needed = 2 if self.operator in (Operator.BETWEEN, Operator.NOT_BETWEEN) else 1
        if len(self.values) != needed:
            raise ValueError(f"`{self.operator}` takes {needed} value(s), found {len(self.values)}")

    def holds(self, measured: Any) -> bool:
        """Whether `measured` is as it must be; a missing value (None) never is."""
        if measured is None:
            return False
        first, last = self.values[0], self.values[-1]
        match self.operator:
            case Operator.EQUAL:
                verdict = measured == first
            case Operator.NOT_EQUAL:
                verdict = measured != first
            case Operator.GREATER:
                verdict = measured > first
            case Operator.GREATER_OR_EQUAL:
                verdict = measured >= first
            case Operator.LESS:
                verdict = measured < first
            case Operator.LESS_OR_EQUAL:
                verdict = measured <= first
            case Operator.BETWEEN:
                verdict = first <= measured <= last
            case Operator.NOT_BETWEEN:
                verdict = not first <= measured <= last
        return bool(verdict)

    def __str__(self) -> str:
        return f"{self.operator} {' and '.join(str(value) for value in self.values)}"
