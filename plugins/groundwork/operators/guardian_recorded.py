"""A domain as the database last agreed with it, from the contract versions that the store keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from groundwork.contracts.contract import Domain


def recorded_domain(store: Engine, now: Domain, target: str) -> tuple[int, Domain]:
    """How many contracts were recorded for the database `target`, and the domain with them in place of today's.

    A contract that was never recorded stands as it is today, so that it shows no difference; one that was recorded and
    is gone today is there.
    """
    from groundwork.contracts.document import Document
    from groundwork.contracts.read import read_contract
    from groundwork.store.contract_version import ContractVersions

    recorded = {}
    for row in ContractVersions(store).newest(now.name, target):
        path = Path(f"{row['file']} as of {row['recorded_at']:%Y-%m-%d %H:%M} UTC")
        recorded[row["contract_id"]] = read_contract(Document(path=path, data=row["document"], positions={}))
    kept = [recorded.get(contract.id, contract) for contract in now.contracts]
    gone = [contract for key, contract in recorded.items() if key not in {each.id for each in now.contracts}]
    return len(recorded), replace(now, contracts=(*kept, *gone))
