"""Every signal leads to a recorded decision, and the same parameters to the same one."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import text

from groundwork.flow.sources.computed import decisions_behind
from groundwork.market.decisions import decision
from groundwork.market.strategies import Strategy
from groundwork.model.decision import DecisionKind
from groundwork.store.decision import Decisions
from groundwork.store.migrate import migrate
from tests.fix_market import Market

STRATEGY = Strategy(
    strategy_id=uuid.UUID(int=1),
    name="momentum",
    priority=5,
    config={"kind": "rate_of_change", "window": 20},
    is_active=True,
)


def test_the_decision_says_what_was_chosen_and_why() -> None:
    made = decision(STRATEGY, "market.strategies/momentum")
    assert made.chosen.name == "rate_of_change"
    assert made.kind is DecisionKind.STRATEGY_RULE
    assert "window 20" in made.reasoning
    assert {option.name for option in made.options} >= {"moving_average_cross", "z_score", "none"}


def test_other_parameters_are_another_decision() -> None:
    other = replace(STRATEGY, config={"kind": "rate_of_change", "window": 21})
    ids = [decision(one, "s").id for one in (STRATEGY, STRATEGY, other)]
    assert ids[0] == ids[1] != ids[2]


def test_a_rule_nobody_knows_is_still_recorded() -> None:
    made = decision(replace(STRATEGY, config={"kind": "astrology"}), "s")
    assert made.chosen.name == "astrology"
    assert decision(replace(STRATEGY, config={}), "s").choice == "none"


@pytest.mark.postgres
def test_every_signal_leads_to_a_stored_decision(loaded_market: Market) -> None:
    engine, domain = loaded_market.engine, loaded_market.domain
    migrate(engine)
    with engine.connect() as connection:
        decisions = decisions_behind(connection, domain, domain.table("trading_signals"))
        used = set(connection.execute(text("SELECT DISTINCT decision_id FROM market.trading_signals")).scalars())
    store = Decisions(engine)
    for one in decisions:
        store.record(one)
        store.record(one)
    assert [one.subject for one in decisions] == [
        "market.strategies/trend_following",
        "market.strategies/momentum",
        "market.strategies/mean_reversion",
    ]
    assert used
    assert {store.get(decision_id).id for decision_id in used} == used
