"""What a database agreed with last: the contracts are kept when a migration left no difference to them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Engine

from groundwork.change.apply import MigrationOutcome
from groundwork.contracts.contract import Contract
from groundwork.store.contract_version import ContractVersions


def keep_contracts(store_engine: Engine, outcome: MigrationOutcome, target: str) -> bool:
    """Keep the domain's contracts as those that the database `target` agrees with; whether it does.

    Nothing is kept of a dry run, or while anything differs. Keeping the same contracts again changes only the time.
    """
    if outcome.is_dry_run or not outcome.remaining.is_empty:
        return False
    domain = outcome.plan.domain
    record_contracts(store_engine, domain.name, target, domain.contracts)
    return True


def record_contracts(store_engine: Engine, domain: str, target: str, contracts: Iterable[Contract]) -> None:
    """Keep some contracts of a domain, whose tables the caller found to be as declared in the database `target`."""
    documents = [(each.id, each.version, each.path.name, each.document.data) for each in contracts]
    ContractVersions(store_engine).record(domain, target, documents)
