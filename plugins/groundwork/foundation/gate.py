"""The gate at the end of a phase: every criterion is measured, the evidence kept, and the verdict told.

Owns no measurement: the criteria live in `schema_design`, `data_access_layer` and `data_integration` of this room. A
criterion whose measurement itself breaks counts as failed, with what broke as the finding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from groundwork.model.errors import DataQualityError, GroundworkError
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import Phase
from groundwork.store.audit import AuditTrail
from groundwork.store.foundation import FoundationRuns

Criterion = tuple[str, Callable[[], CriterionResult]]
_FIRST_STEP = {Phase.SCHEMA_DESIGN: 100, Phase.DATA_ACCESS_LAYER: 200, Phase.DATA_INTEGRATION: 300}
_KIND = {Phase.SCHEMA_DESIGN: "schema", Phase.DATA_ACCESS_LAYER: "apis", Phase.DATA_INTEGRATION: "general"}


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The gate of one phase in one run; `actor` is who runs it, for the audit trail."""

    phase: Phase
    domain: str
    run_id: str
    actor: str
    runs: FoundationRuns
    audit: AuditTrail

    def pass_or_fail(self, criteria: Sequence[Criterion]) -> list[CriterionResult]:
        """Measure every criterion, keep the evidence, and return it when all hold.

        Raises: DataQualityError with the report when one does not hold or a criterion of the phase was not measured.
        """
        results = [self._measure(number, name, measure) for number, (name, measure) in enumerate(criteria)]
        for result in results:
            self.runs.record(self.run_id, self.domain, self.phase, result)
        missing = sorted(set(self.phase.criteria) - {result.criterion for result in results})
        failed = [result for result in results if not result.passed]
        is_passed = not failed and not missing
        self.runs.finish_phase(self.run_id, self.phase, is_success=is_passed)
        self._note(results, is_passed=is_passed)
        if is_passed:
            return results
        raise DataQualityError(
            f"the gate of {self.phase} is closed for the domain {self.domain}\n{report(failed)}",
            where=f"run {self.run_id}",
            expected=f"{', '.join(self.phase.criteria)} hold",
            found=", ".join([result.criterion for result in failed] + [f"{name} not measured" for name in missing]),
            next_step="mend what the report names, then clear this phase's tasks: the run continues from there",
        )

    def _measure(self, number: int, name: str, measure: Callable[[], CriterionResult]) -> CriterionResult:
        operation = Operation(
            project=self.domain, name=name, step=_FIRST_STEP[self.phase] + number, kind=_KIND[self.phase]
        )
        try:
            return replace(measure(), criterion=name, operation=operation)
        except Exception as error:
            return CriterionResult(
                criterion=name,
                passed=False,
                expected="the measurement runs to its end",
                found=f"{type(error).__name__}: {error}",
                how_measured="the measurement itself failed",
                operation=operation,
                likely_cause=str(getattr(error, "what", None) or "the part that is measured is not reachable"),
                next_step=error.next_step if isinstance(error, GroundworkError) else "read the task's log above",
            )

    def _note(self, results: Sequence[CriterionResult], *, is_passed: bool) -> None:
        operation = Operation(project=self.domain, name=self.phase, step=_FIRST_STEP[self.phase] + 99)
        self.audit.append(
            actor=self.actor,
            action="gate_passed" if is_passed else "gate_closed",
            subject=f"{self.domain}/{self.phase.deliverable}",
            operation_id=operation.id,
            section=operation.section,
            details={"run_id": self.run_id, "criteria": {result.criterion: result.passed for result in results}},
        )


def report(results: Sequence[CriterionResult]) -> str:
    """The evidence as text for a person: per criterion what was expected, found, the likely cause and the next step."""
    return "\n\n".join(_paragraph(result) for result in results)


def _paragraph(result: CriterionResult) -> str:
    lines = [
        f"{'holds' if result.passed else 'FAILS'}: {result.criterion} ({result.operation.id})",
        f"  expected: {result.expected}",
        f"  found: {result.found}",
        f"  measured: {result.how_measured}",
    ]
    if result.likely_cause:
        lines.append(f"  likely cause: {result.likely_cause}")
    if result.next_step:
        lines.append(f"  next step: {result.next_step}")
    return "\n".join(lines)
