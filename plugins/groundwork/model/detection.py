"""What classification found for a column, and how that compares with what its contract declares."""

from __future__ import annotations

from dataclasses import dataclass, field

from groundwork.model.vocabulary import Classification, PersonalData


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One reason for a verdict: `kind` is `name`, `type`, `value`, `neighbour` or `person`; never a value itself.

    `share` is the part of the sampled distinct values that the rule matched, 0..1; null for rules that read no values.
    """

    kind: str
    rule: str
    share: float | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.rule}" + ("" if self.share is None else f" ({self.share:.0%} of sampled values)")


@dataclass(frozen=True, kw_only=True)
class Detection:
    """The verdict on one column.

    `classification` is the least that the evidence demands: `public` means nothing found asks for more, not that the
    column may be published. `confidence` is 0..1; `sampled` counts distinct values looked at.
    `overridden_by` names the person whose decision stands in place of the rules.
    """

    schema: str
    table: str
    column: str
    personal_data: PersonalData | None
    classification: Classification
    confidence: float
    evidence: tuple[Signal, ...] = ()
    sampled: int = 0
    overridden_by: str | None = None

    @property
    def qualified_name(self) -> str:
        """`schema.table.column`, for people; never for SQL."""
        return f"{self.schema}.{self.table}.{self.column}"


@dataclass(frozen=True, kw_only=True)
class ClassificationOverride:
    """A person's verdict on a column that counts for every column whose name has the same pattern."""

    table: str
    column: str
    name_pattern: str
    personal_data: PersonalData | None
    classification: Classification
    reason: str
    decided_by: str


@dataclass(frozen=True, kw_only=True)
class ClassificationComparison:
    """Declared against detected for one column; `difference` is null when they agree.

    `is_under_classified` is true when the evidence demands more protection than the contract declares.
    """

    detection: Detection
    declared_personal_data: PersonalData | None
    declared_classification: Classification | None
    difference: str | None = None
    is_under_classified: bool = False
    evidence: tuple[str, ...] = field(default=())

    @property
    def agrees(self) -> bool:
        """Whether contract and detection say the same."""
        return self.difference is None
