"""What the pages show, as values: one dataclass per thing on the screen.

Grain is told per class. Times are UTC, durations seconds, shares 0..1. Nothing here reads or renders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from groundwork.pages.block import Block, Problem

if TYPE_CHECKING:
    from groundwork.flow.capture.lag import StreamStatus
    from groundwork.pages.health_view import StateView
    from groundwork.pages.table_view import OriginView, QualityView


@dataclass(frozen=True, kw_only=True)
class CriterionView:
    """A success criterion of a phase; `state` is passed, failed or pending, the evidence is empty while pending."""

    name: str
    state: str = "pending"
    expected: str = ""
    found: str = ""
    how_measured: str = ""
    likely_cause: str | None = None
    next_step: str | None = None
    operation_id: str | None = None
    section: str | None = None
    checked_at: datetime | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PhaseView:
    """One phase of one run; `state` is pending, running, success or failed."""

    name: str
    deliverable: str
    state: str
    started_at: datetime | None
    finished_at: datetime | None
    criteria: tuple[CriterionView, ...]

    @property
    def passed(self) -> int:
        """How many criteria hold."""
        return sum(criterion.state == "passed" for criterion in self.criteria)


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run of the Dag `data_foundation`."""

    run_id: str
    domain: str
    state: str
    is_dry_run: bool
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class FoundationView:
    """A run with its three phases in order; `run` is null before the first run."""

    run: RunView | None
    phases: tuple[PhaseView, ...]

    @property
    def failures(self) -> tuple[CriterionView, ...]:
        """The criteria that do not hold."""
        return tuple(c for phase in self.phases for c in phase.criteria if c.state == "failed")

    @property
    def passed(self) -> int:
        """How many criteria hold over all phases."""
        return sum(phase.passed for phase in self.phases)

    @property
    def criteria(self) -> int:
        """How many criteria there are over all phases."""
        return sum(len(phase.criteria) for phase in self.phases)


@dataclass(frozen=True, kw_only=True)
class DeclaredView:
    """What a domain's contracts declare, counted."""

    contracts: int
    tables: int
    columns: int
    owners: tuple[str, ...]
    purposes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DomainView:
    """One domain on the overview; each half degrades alone. `state` is null when it cannot be told."""

    name: str
    declared: Block[DeclaredView]
    foundation: Block[FoundationView]
    state: StateView | None = None


@dataclass(frozen=True, kw_only=True)
class OptionView:
    """One thing that could have been done, with what was measured for it."""

    name: str
    description: str
    is_chosen: bool
    measured: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class VerdictView:
    """What one guardrail said of an answer."""

    guardrail: str
    passed: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class DecisionView:
    """The decision that holds for one kind and subject."""

    id: str
    kind: str
    subject: str
    choice: str
    reasoning: str
    confidence: float
    decided_by: str
    decided_at: datetime
    operation_id: str | None
    options: tuple[OptionView, ...]
    verdicts: tuple[VerdictView, ...]


@dataclass(frozen=True, kw_only=True)
class IncidentView:
    """One incident that still waits for somebody or something."""

    id: str
    domain: str
    issue_type: str
    severity: str
    urgency: str
    state: str
    recommended_action: str
    business_impact: str
    subject: str
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class OpenIncidents:
    """The incidents that wait for a person: how many, since when (null without any), and the worst of them."""

    total: int
    oldest_at: datetime | None
    worst: tuple[IncidentView, ...]


@dataclass(frozen=True, kw_only=True)
class DifferenceView:
    """A column whose declared classification and detected one differ; `evidence` names rules, never a value."""

    table: str
    column: str
    difference: str
    confidence: float
    evidence: str


@dataclass(frozen=True, kw_only=True)
class ClassificationView:
    """The latest comparison of declared and detected classifications, in columns."""

    columns: int
    differences: tuple[DifferenceView, ...]
    compared_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PolicyView:
    """One rule of a policy that does not hold; `effect` is block or warn."""

    policy: str
    rule: str
    subject: str
    effect: str
    expected: str
    found: str
    next_step: str | None


@dataclass(frozen=True, kw_only=True)
class PoliciesView:
    """The newest verdicts of all policies: how many hold, and those that do not."""

    passed: int
    failed: tuple[PolicyView, ...]


@dataclass(frozen=True, kw_only=True)
class AuditView:
    """The audit chain: whether it holds, and the newest events (columns of `audit_event`)."""

    events: int
    is_intact: bool
    reason: str | None
    verified_at: datetime
    latest: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ReportView:
    """One written report."""

    title: str
    markdown: str
    written_at: datetime


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything on the overview page."""

    generated_at: datetime
    problems: tuple[Problem, ...]
    domains: tuple[DomainView, ...]
    runs: Block[tuple[RunView, ...]]
    quality: Block[tuple[QualityView, ...]]
    origins: Block[tuple[OriginView, ...]]
    decisions: Block[tuple[DecisionView, ...]]
    incidents: Block[OpenIncidents]
    classification: Block[ClassificationView]
    policies: Block[PoliciesView]
    audit: Block[AuditView]
    report: Block[ReportView]
    streams: Block[tuple[StreamStatus, ...]] = field(default_factory=Block)

    @property
    def is_running(self) -> bool:
        """Whether a foundation run is under way, so that the page should look again soon."""
        foundations = (domain.foundation.content for domain in self.domains)
        return any(found and found.run and found.run.state == "running" for found in foundations)
