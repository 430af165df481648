"""From what the steps found to verdicts of the policies.

Pure: findings in, verdicts out. Checks that passed are told once per rule and role with their number; each failure is a
verdict of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from groundwork.contracts.contract import Domain
from groundwork.governance.access import AccessReport
from groundwork.governance.policy import Policies
from groundwork.governance.retention import RetentionFinding
from groundwork.model.detection import ClassificationComparison
from groundwork.model.policy import AccessFinding, Effect, PolicyVerdict

_MASK_CHECKS = frozenset({"mask", "clear_value", "read_hidden"})
_DRIFT_CHECKS = frozenset({"view_drift", "grant_drift", "role_drift"})


def classification_verdicts(
    domain: Domain, comparisons: Sequence[ClassificationComparison], policies: Policies
) -> list[PolicyVerdict]:
    """One verdict per difference, and one for all columns that agree."""
    policy = policies.classification
    verdicts = []
    for found in comparisons:
        if found.agrees:
            continue
        rule = "differs"
        if found.declared_classification is None:
            rule = "unclassified"
        elif found.is_under_classified:
            rule = "under_classified"
        is_sure = found.detection.confidence >= policy.blocking_confidence
        effect = policy.effects[rule] if is_sure or rule != "under_classified" else Effect.WARN
        verdicts.append(
            PolicyVerdict(
                policy="classification",
                policy_version=policy.version,
                rule=rule,
                subject=found.detection.qualified_name,
                passed=False,
                effect=effect,
                expected="contract and detection agree",
                found=found.difference or "",
                next_step="correct the contract, or override the detection with a reason",
                details={"confidence": found.detection.confidence, "evidence": list(found.evidence)},
            )
        )
    agreed = len(comparisons) - len(verdicts)
    verdicts.append(
        PolicyVerdict(
            policy="classification",
            policy_version=policy.version,
            rule="agrees",
            subject=domain.name,
            passed=True,
            effect=Effect.WARN,
            expected="every column has a classification that the evidence supports",
            found=f"{agreed} of {len(comparisons)} columns agree",
        )
    )
    return verdicts


def change_verdicts(report: AccessReport, policies: Policies) -> list[PolicyVerdict]:
    """One verdict per grant that had to be taken back."""
    return [
        PolicyVerdict(
            policy="access",
            policy_version=policies.access.version,
            rule="drift",
            subject=change.subject,
            passed=False,
            effect=Effect.WARN,  # it is put right already: nothing is left to stop for
            expected="only the grants that policy gives",
            found="a grant beyond policy, revoked by this run",
            next_step="look in the server's log who gave it",
        )
        for change in report.changes
        if change.action == "grant_revoked"
    ]


def access_verdicts(findings: Sequence[AccessFinding], policies: Policies) -> list[PolicyVerdict]:
    """One verdict per failed check, and one per role and check for those that passed."""
    verdicts = [_access_verdict(finding, policies) for finding in findings if not finding.passed]
    passed = Counter((finding.role, finding.check) for finding in findings if finding.passed)
    for (role, check), count in passed.items():
        policy, version, rule, effect = _rule(check, policies)
        verdicts.append(
            PolicyVerdict(
                policy=policy,
                policy_version=version,
                rule=rule,
                subject=f"{role or 'database'}: {check}",
                passed=True,
                effect=effect,
                expected="as policy says",
                found=f"{count} checks as policy says",
                details={"checks": count},
            )
        )
    return verdicts


def _access_verdict(finding: AccessFinding, policies: Policies) -> PolicyVerdict:
    policy, version, rule, effect = _rule(finding.check, policies)
    return PolicyVerdict(
        policy=policy,
        policy_version=version,
        rule=rule,
        subject=f"{finding.role or 'database'}: {finding.check} {finding.subject}",
        passed=False,
        effect=effect,
        expected=finding.expected,
        found=finding.found,
        next_step=finding.next_step,
    )


def _rule(check: str, policies: Policies) -> tuple[str, str, str, Effect]:
    if check in _MASK_CHECKS:
        return "masking", policies.masking.version, "leak", policies.masking.effects["leak"]
    rule = "drift" if check in _DRIFT_CHECKS else "role_check"
    return "access", policies.access.version, rule, policies.access.effects[rule]


def retention_verdicts(domain: Domain, findings: Sequence[RetentionFinding], policies: Policies) -> list[PolicyVerdict]:
    """Up to three verdicts per table: its age can be told, personal data has an end, nothing is overdue."""
    verdicts = []
    for found in findings:
        table = domain.table(found.table)
        if found.declared and found.column is None:
            verdicts.append(
                _retention_verdict(
                    found,
                    policies,
                    "retention_measurable",
                    passed=False,
                    expected="a column that tells a row's age",
                    told=f"retention of {found.declared} and no `retentionColumn`",
                    next_step="declare `retentionColumn` in the contract",
                )
            )
        if any(column.personal_data for column in table.columns):
            verdicts.append(
                _retention_verdict(
                    found,
                    policies,
                    "personal_data_retention",
                    passed=found.declared is not None,
                    expected="a retention, since the table holds personal data",
                    told=found.declared or "none",
                    next_step="declare `retention` among the contract's slaProperties",
                )
            )
        if found.rows_due is not None:
            verdicts.append(
                _retention_verdict(
                    found,
                    policies,
                    "overdue",
                    passed=not found.rows_due or found.held_because is not None,
                    expected=f"no row before {found.cutoff_at:%Y-%m-%d}",
                    told=f"{found.rows_due} of {found.rows} rows due"
                    + (f"; held: {found.held_because}" if found.held_because else ""),
                    next_step=f"{found.action} them; whole partitions due: {', '.join(found.detachable) or 'none'}",
                )
            )
    return verdicts


def _retention_verdict(
    finding: RetentionFinding,
    policies: Policies,
    rule: str,
    *,
    passed: bool,
    expected: str,
    told: str,
    next_step: str,
) -> PolicyVerdict:
    return PolicyVerdict(
        policy="retention",
        policy_version=policies.retention.version,
        rule=rule,
        subject=finding.table,
        passed=passed,
        effect=policies.retention.effects[rule],
        expected=expected,
        found=told,
        next_step=None if passed else next_step,
        details=finding.to_json(),
    )
