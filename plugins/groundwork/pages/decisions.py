"""The newest decisions, from the store to the screen."""

from __future__ import annotations

from sqlalchemy import Engine

from groundwork.model.decision import Decision
from groundwork.pages.view import DecisionView, OptionView, VerdictView
from groundwork.store.decision import Decisions

_READ = 100  # newest decisions looked at; of each kind and subject only the newest holds


def latest_decisions(store: Engine) -> tuple[DecisionView, ...] | None:
    """The newest decision of each kind and subject, newest first; null when there is none."""
    newest: dict[tuple[str, str], Decision] = {}
    for decision in Decisions(store).latest(limit=_READ):
        newest.setdefault((decision.kind, decision.subject), decision)
    return tuple(_view(decision) for decision in newest.values()) or None


def _view(decision: Decision) -> DecisionView:
    return DecisionView(
        id=str(decision.id),
        kind=decision.kind,
        subject=decision.subject,
        choice=decision.choice,
        reasoning=decision.reasoning,
        confidence=decision.confidence,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
        operation_id=decision.operation_id,
        options=tuple(
            OptionView(
                name=option.name,
                description=option.description,
                is_chosen=option.name == decision.choice,
                measured=option.measured,
            )
            for option in decision.options
        ),
        verdicts=tuple(
            VerdictView(guardrail=verdict.guardrail, passed=verdict.passed, reason=verdict.reason)
            for verdict in decision.verdicts
        ),
    )
