"""From a proposal to a decision: by rules, or by a model where one is set, behind the same guardrails.

Whatever a model does wrong, be it away, slow, mistaken or hostile, the rules' choice holds and the record says why.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy import Connection

from groundwork.contracts.contract import Domain, TableContract
from groundwork.model.decision import RULES, Decision, DecisionKind, Verdict
from groundwork.model.errors import FatalError
from groundwork.model.operation import Operation
from groundwork.specialists import index_design, partition_design
from groundwork.specialists.advisor import Advisor, Answer
from groundwork.specialists.evidence import Evidence, gather
from groundwork.specialists.guardrails import Frame, check
from groundwork.specialists.proposal import Proposal
from groundwork.store.base import utc_now

_log = logging.getLogger(__name__)
_DESIGNS: Mapping[DecisionKind, Callable[[TableContract, Evidence], Proposal]] = {
    DecisionKind.INDEX_DESIGN: index_design.propose,
    DecisionKind.PARTITION_DESIGN: partition_design.propose,
}


def decide(
    connection: Connection,
    domain: Domain,
    table: TableContract,
    kinds: tuple[DecisionKind, ...],
    *,
    operation: Operation,
    advisor: Advisor | None = None,
    run_id: str | None = None,
) -> list[Decision]:
    """One decision per kind about a table, from evidence gathered once; nothing in the database changes.

    `kinds` are of `DESIGN_KINDS`.

    Raises: ConfigError for a contract that cannot be measured; FatalError when the rules' own answer does not pass.
    """
    evidence = gather(connection, domain, table)
    return [
        settle(_DESIGNS[kind](table, evidence), table, operation=operation, advisor=advisor, run_id=run_id)
        for kind in kinds
    ]


def settle(
    proposal: Proposal,
    table: TableContract,
    *,
    operation: Operation,
    advisor: Advisor | None = None,
    run_id: str | None = None,
) -> Decision:
    """The decision for a proposal, asking `advisor` when there is one."""
    frame = Frame(table=table, options=proposal.options, baseline=proposal.answer.choice)
    verdicts = check(proposal.answer, frame)
    refused = [verdict for verdict in verdicts if not verdict.passed]
    if refused:
        raise FatalError(
            "the rules' own answer does not pass the guardrails",
            where=f"{proposal.kind} of {table.qualified_name}",
            found="; ".join(f"{verdict.guardrail}: {verdict.reason}" for verdict in refused),
            next_step="this is a fault of Groundwork: keep the contract and report it",
        )
    answer, decided_by = proposal.answer, RULES
    if advisor is not None:
        advice, judged = _ask(advisor, proposal, frame)
        verdicts += judged
        if advice is not None:
            answer, decided_by = advice, f"model:{advisor.name}"
    return Decision(
        id=uuid.uuid4(),
        kind=proposal.kind,
        subject=proposal.evidence.subject,
        specialist=proposal.specialist,
        options=proposal.options,
        evidence=proposal.evidence.to_json(),
        choice=answer.choice,
        reasoning=answer.reasoning,
        confidence=answer.confidence,
        decided_by=decided_by,
        verdicts=verdicts,
        operation_id=operation.id,
        run_id=run_id,
        decided_at=utc_now(),
    )


def _ask(advisor: Advisor, proposal: Proposal, frame: Frame) -> tuple[Answer | None, tuple[Verdict, ...]]:
    """The model's answer when it passes, else null; its verdicts either way. A refused answer is not kept as text."""
    try:
        answer = advisor.ask(proposal.question)
    except Exception as error:  # whatever keeps a model from answering, the rules decide
        _log.warning("the model gave no answer, rules decide: %s", type(error).__name__)
        reason = f"no answer: {type(error).__name__}"
        return None, (Verdict(guardrail="model.answered", passed=False, reason=reason),)
    judged = tuple(replace(verdict, guardrail=f"model.{verdict.guardrail}") for verdict in check(answer, frame))
    verdicts = (Verdict(guardrail="model.answered", passed=True, reason="an answer came in time"), *judged)
    return (answer if all(verdict.passed for verdict in judged) else None), verdicts
