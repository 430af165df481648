"""Domains for tests: the small shop, the market as it ships, and variants of a contract's text."""

from __future__ import annotations

from pathlib import Path

from groundwork.contracts.contract import Domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract, read_domain

CASES = Path(__file__).parent / "cases"
CONTRACTS = Path(__file__).parents[2] / "governance" / "contracts"
SHOP_TEXT = (CASES / "shop.odcs.yaml").read_text(encoding="utf-8")


def shop(**replaced: str) -> Domain:
    """The shop; each keyword names nothing, its value is `old => new` text to replace in the contract."""
    text = SHOP_TEXT
    for change in replaced.values():
        old, _, new = change.partition(" => ")
        assert old in text, old
        text = text.replace(old, new)
    document = parse_document(text, Path("shop.odcs.yaml"))
    return Domain(name="shop", contracts=(read_contract(document),))


def market() -> Domain:
    """The market domain as the repository declares it."""
    return read_domain("market", CONTRACTS)
