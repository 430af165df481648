"""What a database agreed with last: the contracts are kept when a migration left no difference to them."""

from __future__ import annotations

from sqlalchemy import Engine

from groundwork.change.apply import MigrationOutcome
from groundwork.store.contract_version import ContractVersions


def keep_contracts(store_engine: Engine, outcome: MigrationOutcome, target: str) -> bool:
    """Keep the domain's contracts as those that the database `target` agrees with; whether it does.

    Nothing is kept of a dry run, or while anything differs. Keeping the same contracts again changes only the time.
    """
    if outcome.is_dry_run or not outcome.remaining.is_empty:
        return False
    domain = outcome.plan.domain
    documents = [(each.id, each.version, each.path.name, each.document.data) for each in domain.contracts]
    ContractVersions(store_engine).record(domain.name, target, documents)
    return True
