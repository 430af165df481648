"""One governance run over a domain: classify, apply access, verify it, plan retention, and tell the audit trail.

Each step stands alone, keeps its verdicts in the store, appends to the audit trail and returns a JSON-ready summary, so
that the Dag's tasks call one step each; `conclude` puts the summaries together. No step stops the run: what policy
blocks is told at the end, after everything that protects has been done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain
from groundwork.governance.access import apply_access
from groundwork.governance.classification.compare import compare_with_contract
from groundwork.governance.classification.detect import detect_columns
from groundwork.governance.policy import Policies
from groundwork.governance.report import GovernanceReport
from groundwork.governance.retention import plan_retention
from groundwork.governance.verdicts import (
    access_verdicts,
    change_verdicts,
    classification_verdicts,
    retention_verdicts,
)
from groundwork.governance.verification import verify_access
from groundwork.model.operation import Operation
from groundwork.model.policy import PolicyVerdict
from groundwork.store.audit import AuditTrail
from groundwork.store.classification import ClassificationResults
from groundwork.store.policy_verdict import PolicyVerdicts

STEPS = ("classify", "apply_access", "verify_access", "retention_dry_run", "audit")
Summary = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class GovernanceRun:
    """Everything a step needs; `now` has a zone and is the moment retention is measured at."""

    warehouse: Engine
    store: Engine
    domain: Domain
    policies: Policies
    run_id: str
    actor: str
    now: datetime

    def classify(self) -> Summary:
        """Detect and compare the classification of every column; the results are stored."""
        results = ClassificationResults(self.store)
        with self.warehouse.connect() as connection:
            detections = detect_columns(
                connection,
                self.domain,
                demanded=self.policies.classification.demanded,
                overrides=results.overrides(),
            )
        comparisons = compare_with_contract(self.domain, detections)
        results.record(self.run_id, self.domain.name, comparisons)
        summary: Summary = {
            "columns": len(comparisons),
            "agreeing": sum(found.agrees for found in comparisons),
            "personal_data": sorted(
                found.detection.qualified_name for found in comparisons if found.detection.personal_data
            ),
            "differences": [
                {"column": found.detection.qualified_name, "difference": found.difference}
                for found in comparisons
                if not found.agrees
            ],
        }
        verdicts = classification_verdicts(self.domain, comparisons, self.policies)
        self._keep("classify", "columns_classified", verdicts, summary)
        return summary

    def apply_access(self) -> Summary:
        """Bring roles, masked views and grants to policy; every change is an audit event."""
        report = apply_access(self.warehouse, self.domain, self.policies)
        for change in report.changes:
            self._audit("apply_access", change.action, change.subject, {"run_id": self.run_id})
        summary = report.to_json()
        told = {**summary, "changes": len(report.changes)}
        self._keep("apply_access", "access_applied", change_verdicts(report, self.policies), told)
        return summary

    def verify_access(self) -> Summary:
        """Try everything role by role on the live database."""
        findings = verify_access(self.warehouse, self.domain, self.policies)
        failed = [finding for finding in findings if not finding.passed]
        summary: Summary = {
            "checks": len(findings),
            "passed": len(findings) - len(failed),
            "failures": [asdict(finding) for finding in failed],
        }
        told = {"checks": len(findings), "failed": len(failed)}
        self._keep("verify_access", "access_verified", access_verdicts(findings, self.policies), told)
        return summary

    def retention_dry_run(self) -> Summary:
        """Tell what retention would remove; removes nothing."""
        findings = plan_retention(self.warehouse, self.domain, self.policies, self.now)
        summary: Summary = {
            "tables": [finding.to_json() for finding in findings],
            "rows_due": sum(finding.rows_due or 0 for finding in findings),
        }
        verdicts = retention_verdicts(self.domain, findings, self.policies)
        told = {"tables": len(findings), "rows_due": summary["rows_due"]}
        self._keep("retention_dry_run", "retention_planned", verdicts, told)
        return summary

    def conclude(self, steps: Mapping[str, Summary]) -> GovernanceReport:
        """Verify the audit chain and put the report together from the steps' summaries and the stored verdicts."""
        verdicts = PolicyVerdicts(self.store).of_run(self.run_id, self.domain.name)
        blocked = sum(not verdict["is_passed"] and verdict["effect"] == "block" for verdict in verdicts)
        warned = sum(not verdict["is_passed"] and verdict["effect"] == "warn" for verdict in verdicts)
        counts = {"verdicts": len(verdicts), "blocked": blocked, "warned": warned}
        self._audit("audit", "governance_run", self.domain.name, {"run_id": self.run_id, **counts})
        return GovernanceReport(
            domain=self.domain.name,
            run_id=self.run_id,
            policy_fingerprint=self.policies.fingerprint,
            steps=steps,
            verdicts=tuple(verdicts),
            chain=AuditTrail(self.store).verify(),
        )

    def _keep(self, step: str, action: str, verdicts: Sequence[PolicyVerdict], told: Mapping[str, object]) -> None:
        """Store a step's verdicts; its failures and its end become audit events."""
        PolicyVerdicts(self.store).record(self.run_id, self.domain.name, step, verdicts)
        for verdict in verdicts:
            if not verdict.passed:
                details = {
                    "run_id": self.run_id,
                    "policy": verdict.policy,
                    "policy_version": verdict.policy_version,
                    "rule": verdict.rule,
                    "effect": verdict.effect,
                    "found": verdict.found,
                }
                self._audit(step, "policy_violated", verdict.subject, details)
        passed = sum(verdict.passed for verdict in verdicts)
        counts = {"run_id": self.run_id, "verdicts": len(verdicts), "passed": passed}
        self._audit(step, action, self.domain.name, {**told, **counts, "policies": self.policies.fingerprint})

    def _audit(self, step: str, action: str, subject: str, details: Mapping[str, object]) -> None:
        operation = Operation(project=self.domain.name, name=f"governance {step}", step=STEPS.index(step) + 1)
        AuditTrail(self.store).append(
            actor=self.actor,
            action=action,
            subject=subject,
            details=details,
            operation_id=operation.id,
            section=operation.section,
        )


def run_governance(run: GovernanceRun) -> GovernanceReport:
    """All steps in order, in one process."""
    steps = {
        "classify": run.classify(),
        "apply_access": run.apply_access(),
        "verify_access": run.verify_access(),
        "retention_dry_run": run.retention_dry_run(),
    }
    return run.conclude(steps)
