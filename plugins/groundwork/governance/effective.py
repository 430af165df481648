"""The domain as policy has it, roles narrowed and columns classified, so that readers know what is masked."""

from __future__ import annotations

from dataclasses import replace

from groundwork.contracts.contract import Contract, Domain, TableContract
from groundwork.governance.policy import Policies


def effective_domain(domain: Domain, policies: Policies) -> Domain:
    """`domain` with every role's clearance and every column's classification as the policies decide.

    Raises: ConfigError when policy would widen a role.
    """
    return replace(domain, contracts=tuple(_contract(contract, policies) for contract in domain.contracts))


def _contract(contract: Contract, policies: Policies) -> Contract:
    roles = tuple(policies.role(role) for role in contract.roles)
    return replace(contract, roles=roles, tables=tuple(_table(table, policies) for table in contract.tables))


def _table(table: TableContract, policies: Policies) -> TableContract:
    columns = [replace(column, classification=policies.classification_of(column)) for column in table.columns]
    return replace(table, columns=tuple(columns))
