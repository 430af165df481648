"""Gate: the contracts hold no mistake, and a migration can bring the database to what they declare."""

# groundwork: allow-file own_session gates measure the live database, beside what they judge

from __future__ import annotations

from groundwork.change.facts import table_facts
from groundwork.change.plan import plan_migration
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.lint import lint_domain
from groundwork.foundation.release.subject import ReleaseSubject
from groundwork.model.evidence import CriterionResult
from groundwork.model.operation import Operation
from groundwork.model.vocabulary import Severity

_MOST_SHOWN = 50


def schema_reviewed(subject: ReleaseSubject) -> CriterionResult:
    """Lint, compare and plan; nothing changes. What a migration would have to refuse blocks, other differences do not:
    they are what the release brings, and the next gate tries them.
    """
    domain = subject.domain
    findings = lint_domain(domain.name, subject.contracts)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    with subject.warehouse.connect() as connection:
        diff = compare_domain(connection, domain)
        plan = plan_migration(domain, diff, facts=table_facts(connection, domain))
    is_passed = not errors and not plan.refusals
    refused = [refusal.to_json() for refusal in plan.refusals]
    return CriterionResult(
        criterion="schema_reviewed",
        passed=is_passed,
        expected="no error in the contracts, and no difference to the database that a migration has to refuse",
        found=f"{len(errors)} errors in the contracts; {len(diff.changes)} differences, {len(refused)} refused",
        how_measured="every contract linted; declared tables made in a scratch schema, catalogs compared, rolled back; "
        "the migration planned with the live tables' sizes",
        operation=Operation(project=domain.name, name="schema reviewed", step=0, kind="schema"),
        likely_cause=None if is_passed else _cause(has_errors=bool(errors)),
        next_step=None if is_passed else _step(domain.name, has_errors=bool(errors)),
        details={
            "errors": [finding.to_json() for finding in errors[:_MOST_SHOWN]],
            "warnings": len(findings) - len(errors),
            "differences": diff.to_json()["changes"][:_MOST_SHOWN],
            "refusals": refused[:_MOST_SHOWN],
        },
    )


def _cause(*, has_errors: bool) -> str:
    return "a contract was changed without checking it" if has_errors else "a change would lose or rewrite values"


def _step(domain: str, *, has_errors: bool) -> str:
    return f"groundwork validate-schema {domain}" if has_errors else f"groundwork generate-migration explain {domain}"
