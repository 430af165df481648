"""A contract says the domain whose folder it lies in, and all contracts of a domain mean one database.

The folder decides which contracts are built together; a contract that says another domain would be built here and
looked for there.
"""

from __future__ import annotations

from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every contract without a domain or with another one."""
    for contract in domain.contracts:
        found = contract.text("domain")
        expected = domain.name or found
        if not found:
            edit = contract.setting("/domain", expected) if expected else None
            yield contract.problem(
                "/domain", "the contract says no domain", f"add `domain: {expected or 'market'}`", edit=edit
            )
        elif found != expected:
            yield contract.problem(
                "/domain", f"the contract says domain `{found}` and lies in `{expected}`", f"write `domain: {expected}`"
            )
