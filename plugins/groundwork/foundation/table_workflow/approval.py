"""The approval of what locks, rewrites or loses: asked of a person, bound to the plan that was shown, recorded.

Owns what has to be approved and what follows from an answer; the asking itself is Airflow's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from groundwork.change.stage import MigrationPlan
from groundwork.foundation.table_workflow.workflow import StepResult, TableWorkflow
from groundwork.model.decision import RULES, Decision, DecisionKind, Option, Verdict
from groundwork.model.errors import ConfigError
from groundwork.store.audit import AuditTrail
from groundwork.store.base import utc_now
from groundwork.store.decision import Decisions

STEP = "approve"
APPROVE, REJECT = "Approve", "Reject"
_OPTIONS = (
    Option(name=APPROVE, description="Carry the migration out as it is shown.", pros=("the database follows",)),
    Option(
        name=REJECT,
        description="Change nothing.",
        pros=("nothing locks or is lost",),
        cons=("contract and database differ",),
    ),
)


def is_needed(plan: MigrationPlan) -> bool:
    """Whether a person has to look at the plan before it runs."""
    return plan.needs_approval


def request(flow: TableWorkflow, plan: MigrationPlan) -> str:
    """The plan as Markdown for the person who decides: what is at stake first, then every statement."""
    return "\n".join(_request(flow, plan))


def _request(flow: TableWorkflow, plan: MigrationPlan) -> Iterator[str]:
    yield f"**{flow.table.qualified_name}** on `{flow.target}`\n"
    for number, stage in enumerate(plan.stages, 1):
        back = "can be rolled back" if stage.is_reversible else "**cannot be rolled back**"
        yield f"{number}. {stage.what}: {stage.why}. Risk: **{stage.risk}**; lock: {stage.lock}; {back}."
    yield "\n```sql"
    yield from (f"{' '.join(statement.split())};" for statement in plan.statements)
    yield "```"


def not_needed(flow: TableWorkflow, plan: MigrationPlan) -> StepResult:
    """Record that rules let the plan pass: it locks nobody out for long, rewrites nothing and loses nothing."""
    reason = "No stage holds a lock for long, rewrites a table or loses data: nobody has to be asked."
    return _settle(flow, plan, is_approved=True, decided_by=RULES, reason=reason, digest="")


def shown(flow: TableWorkflow, plan: MigrationPlan) -> StepResult:
    """Record which plan a person is going to look at: the answer holds for that one only."""
    return flow.keep("waiting for a person's answer", found={"is_approved": None, "digest": plan.digest})


def settle(flow: TableWorkflow, plan: MigrationPlan, *, is_approved: bool, person: str) -> StepResult:
    """Record a person's answer to the plan that was shown, as a decision and on the audit trail.

    `plan` is the present one, for the evidence; when it is not what was shown, `apply` will refuse it.
    """
    digest = str(flow.found(STEP).get("digest", ""))
    reason = f"{person} {'approved' if is_approved else 'rejected'} the migration after it was shown in whole."
    return _settle(flow, plan, is_approved=is_approved, decided_by=person, reason=reason, digest=digest)


def require_approval(flow: TableWorkflow, plan: MigrationPlan) -> None:
    """Raises: ConfigError when the plan needs an approval and this very plan was not approved."""
    if not is_needed(plan):
        return
    answer = flow.found(STEP)
    if answer.get("is_approved") and answer.get("digest") == plan.digest:
        return
    raise ConfigError(
        "the migration needs an approval that it does not have",
        where=flow.table.qualified_name,
        expected="an approval of exactly these statements",
        found="an approval of others: the database or the contract changed meanwhile" if answer else "none",
        next_step="clear the task `approve` and what follows, and look at the migration again",
    )


def _settle(
    flow: TableWorkflow, plan: MigrationPlan, *, is_approved: bool, decided_by: str, reason: str, digest: str
) -> StepResult:
    decision = Decision(
        id=uuid.uuid5(uuid.NAMESPACE_OID, f"{flow.run_id}/{STEP}/{digest}"),
        kind=DecisionKind.CHANGE_APPROVAL,
        subject=flow.table.qualified_name,
        specialist="person on duty" if decided_by != RULES else "database specialist",
        options=_OPTIONS,
        evidence={"stages": [stage.to_json() for stage in plan.stages]},
        choice=APPROVE if is_approved else REJECT,
        reasoning=reason,
        confidence=1.0,
        decided_by=decided_by,
        verdicts=(Verdict(guardrail="approval", passed=is_approved, reason=reason),),
        operation_id=flow.operation.id,
        run_id=flow.run_id,
        decided_at=utc_now(),
    )
    Decisions(flow.store).record(decision)
    AuditTrail(flow.store).append(
        actor=decided_by,
        action="change_approved" if is_approved else "change_rejected",
        subject=f"{flow.target}:{flow.table.qualified_name}",
        operation_id=flow.operation.id,
        section=flow.operation.section,
        details={"run_id": flow.run_id, "stages": [stage.what for stage in plan.stages]},
    )
    return flow.keep(
        reason,
        reasons=(reason,),
        found={"is_approved": is_approved, "digest": digest, "decided_by": decided_by, "decision": str(decision.id)},
    )
