"""Every design choice of a contract is told with its alternatives and a reason that fits the contract."""

from __future__ import annotations

from dataclasses import replace

from groundwork.contracts.contract import Domain
from groundwork.model.decision import RULES, DecisionKind
from groundwork.model.operation import Operation
from groundwork.specialists.table_design import DesignChoice, design_choices, table_decisions

_STEP = Operation(project="market", name="design review", step=3, kind="schema")


def _choices(domain: Domain, table: str) -> dict[str, DesignChoice]:
    return {choice.aspect: choice for choice in design_choices(domain, domain.table(table))}


def _chosen(domain: Domain, table: str) -> dict[str, str]:
    return {aspect: choice.options[0].name for aspect, choice in _choices(domain, table).items()}


def test_the_registry(market_domain: Domain) -> None:
    assert _chosen(market_domain, "strategies") == {
        "primary_key": "generated_uuid",
        "config.type": "json_document",
        "config.masking": "masked_by_role",
        "created_at.type": "moment_in_time",
        "updated_at.type": "moment_in_time",
        "row_version": "updated_at_column",
    }


def test_prices_have_a_natural_key_and_exact_numbers(market_domain: Domain) -> None:
    chosen = _chosen(market_domain, "stock_prices")
    assert chosen["primary_key"] == "natural_key"
    assert chosen["close_price.type"] == "exact_number"
    reason = _choices(market_domain, "stock_prices")["primary_key"].reasoning
    assert "ticker, price_date" in reason
    assert str(market_domain.table("stock_prices").grain) in reason


def test_a_reference_names_the_index_behind_it_or_its_absence(market_domain: Domain) -> None:
    served = _choices(market_domain, "orders")["reference_strategy_id"].reasoning
    assert "orders_strategy_id_placed_at_idx serves it" in served
    table = replace(market_domain.table("orders"), indexes=())
    bare = {choice.aspect: choice for choice in design_choices(market_domain, table)}
    assert "no index of its own" in bare["reference_strategy_id"].reasoning


def test_a_table_without_a_key_is_a_weak_choice(market_domain: Domain) -> None:
    table = market_domain.table("strategies")
    keyless = replace(table, columns=tuple(replace(each, primary_key_position=None) for each in table.columns))
    choice = design_choices(market_domain, keyless)[0]
    assert choice.options[0].name == "no_key"
    assert choice.confidence <= 0.5


def test_few_words_are_a_check(market_domain: Domain) -> None:
    assert _chosen(market_domain, "orders")["status.vocabulary"] == "check_constraint"
    assert "open, filled, cancelled" in _choices(market_domain, "orders")["status.vocabulary"].reasoning


def test_each_choice_is_a_decision_with_alternatives(market_domain: Domain) -> None:
    for table in market_domain.tables:
        for decision in table_decisions(market_domain, table, operation=_STEP, run_id="r"):
            assert decision.kind is DecisionKind.TABLE_DESIGN
            assert decision.decided_by == RULES
            assert decision.chosen.name == decision.choice
            assert len(decision.options) >= 2
            assert len(decision.reasoning) > 20
            assert decision.subject.startswith(table.qualified_name)
            assert decision.operation_id == _STEP.id
