"""The decisions behind the signals: which rule with which parameters each strategy uses, and what else there was.

A signal's `decision_id` leads to one of these in the store. The contract of the signals names `strategy_decisions` as
the maker of their decisions; whoever loads the signals keeps them. Nothing is written by this module.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from groundwork.contracts.contract import Domain
from groundwork.market.strategies import Strategy, read_strategies
from groundwork.model.decision import RULES, Decision, DecisionKind, Option
from groundwork.model.operation import Operation
from groundwork.store.base import utc_now

_RULES = {
    "moving_average_cross": (
        "follow a trend from the crossing of two moving averages until they cross back",
        "The rule needs closes only, acts rarely, and both of its averages are fixed in advance.",
    ),
    "rate_of_change": (
        "ride strength from a strong rise over a window until the rise is gone",
        "The rule needs closes only and tells a strong rise from an ordinary one by a fixed threshold.",
    ),
    "z_score": (
        "buy an unusual fall below the average and sell the recovery",
        "The rule needs closes only and measures a fall in the share's own recent spread.",
    ),
    "none": ("give no signals", "The registry names no rule for this strategy."),
}
_OPERATION = Operation(project="market", name="strategy rule", step=35)


def strategy_decisions(connection: Connection, domain: Domain, schema: str) -> Iterator[Decision]:
    """The decision of each strategy in the registry of `schema`; the same parameters give the same id."""
    for strategy in read_strategies(connection, domain, schema):
        yield decision(strategy, subject=f"{schema}.strategies/{strategy.name}")


def decision(strategy: Strategy, subject: str) -> Decision:
    """The choice of a rule and its parameters for one strategy, as the registry has it."""
    kind = strategy.kind or "none"
    options = {**_RULES, kind: _RULES.get(kind, ("a rule of its own", "The registry names this rule."))}
    parameters = {name: value for name, value in sorted(strategy.config.items()) if name != "kind"}
    told = ", ".join(f"{name} {value}" for name, value in parameters.items()) or "no parameters"
    return Decision(
        id=strategy.decision_id,
        kind=DecisionKind.STRATEGY_RULE,
        subject=subject,
        specialist="strategy registry",
        options=tuple(Option(name=name, description=effect) for name, (effect, _) in options.items()),
        evidence={"parameters": parameters, "priority": strategy.priority},
        choice=kind,
        reasoning=f"{options[kind][1]} Parameters: {told}.",
        confidence=1.0,
        decided_by=RULES,
        verdicts=(),
        operation_id=_OPERATION.id,
        run_id=None,
        decided_at=utc_now(),
    )
