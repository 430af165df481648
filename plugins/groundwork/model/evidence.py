"""Evidence: what a criterion expected, what was found on the live system, and how that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from groundwork.model.operation import Operation


@dataclass(frozen=True, kw_only=True)
class CriterionResult:
    """The verdict on one success criterion.

    `details` is JSON-ready and holds no personal data value. `likely_cause` and `next_step` are filled when it failed.
    """

    criterion: str
    passed: bool
    expected: str
    found: str
    how_measured: str
    operation: Operation
    likely_cause: str | None = None
    next_step: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
