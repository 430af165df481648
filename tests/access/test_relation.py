"""What the access layer takes for granted of governance."""

from __future__ import annotations

from dataclasses import replace

from groundwork.access.relation import access_schema, relation
from groundwork.contracts.contract import Domain
from groundwork.governance.effective import effective_domain
from groundwork.governance.policy import read_policies
from groundwork.governance.views import access_schema as made_schema
from groundwork.model.vocabulary import Classification
from tests.fix_access import POLICIES


def test_views_are_read_where_governance_makes_them() -> None:
    assert access_schema("market") == made_schema("market")


def test_masked_columns_follow_policy(market_domain: Domain) -> None:
    contract = market_domain.contracts[0]
    first, *others = contract.tables
    bare = replace(first, columns=tuple(replace(column, classification=None) for column in first.columns))
    unclassified = replace(market_domain, contracts=(replace(contract, tables=(bare, *others)),))
    policies = read_policies(POLICIES)
    assert relation(unclassified.table(first.name)).masked_for(Classification.INTERNAL) == frozenset()
    decided = effective_domain(unclassified, policies).table(first.name)
    hidden = relation(decided).masked_for(Classification.INTERNAL)
    assert hidden == {column.name for column in first.columns}
    assert effective_domain(market_domain, policies).roles == market_domain.roles


def test_versions_and_keys(market_domain: Domain) -> None:
    assert relation(market_domain.table("strategies")).version_column == "updated_at"
    assert relation(market_domain.table("orders")).version_column is None
    prices = relation(market_domain.table("stock_prices"))
    assert prices.key == ("ticker", "price_date")
    assert "search_vector" not in relation(market_domain.table("news_articles")).readable
