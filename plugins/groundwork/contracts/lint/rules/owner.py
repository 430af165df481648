"""Somebody answers for the data.

A contract names its team (`team: {name: …}`), or in the older form of the standard the first member's user name.
Incidents, access requests and reviews go there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from groundwork.contracts.lint.subject import ContractPart, DomainPart, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every contract without an owner."""
    for contract in domain.contracts:
        if not _owner(contract):
            yield contract.problem("/team", "nobody owns this contract", "add `team: {name: <the owning team>}`")


def _owner(contract: ContractPart) -> str:
    team = contract.data.get("team")
    if isinstance(team, Mapping):
        return contract.document.data["team"].get("name") or ""
    members = contract.parts("team")
    return members[0].text("username") if members else ""
