"""A decision as a typed record: what could be done, what was measured, what was chosen, by whom, and who checked it.

Source: requirement L3. Nothing here holds a personal data value: evidence is schema, statistics and plans (L5).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

RULES = "rules"  # decided_by when neither a model (`model:<name>`) nor a person (`person:<name>`) was asked


class DecisionKind(StrEnum):
    """What a decision is about."""

    INDEX_DESIGN = "index_design"
    PARTITION_DESIGN = "partition_design"
    STRATEGY_RULE = "strategy_rule"
    TABLE_DESIGN = "table_design"
    CHANGE_APPROVAL = "change_approval"


DESIGN_KINDS = (DecisionKind.INDEX_DESIGN, DecisionKind.PARTITION_DESIGN)  # decided about each table, from evidence


@dataclass(frozen=True, kw_only=True)
class Option:
    """One thing that could be done. `measured` is JSON-ready; `statements` is the SQL it takes beyond the contract."""

    name: str
    description: str
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    measured: Mapping[str, float | int | str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one guardrail says about an answer; a model's verdicts carry the prefix `model.`"""

    guardrail: str
    passed: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One choice. `confidence` lies in 0..1; `subject` is what it is about, such as `market.stock_prices`."""

    id: uuid.UUID
    kind: DecisionKind
    subject: str
    specialist: str
    options: tuple[Option, ...]
    evidence: Mapping[str, object]
    choice: str
    reasoning: str
    confidence: float
    decided_by: str
    verdicts: tuple[Verdict, ...]
    operation_id: str
    run_id: str | None
    decided_at: datetime

    @property
    def chosen(self) -> Option:
        """The option that was chosen."""
        return next(option for option in self.options if option.name == self.choice)
