"""The declared world for the pages: contracts, read once per change of their files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from groundwork.contracts.contract import Domain
from groundwork.contracts.read import SUFFIX, domain_files, read_domain
from groundwork.pages.view import DeclaredView

Signature = tuple[tuple[str, int, int], ...]


def domain_names(contracts: Path) -> tuple[str, ...]:
    """Names of the domains that have a contract, in order."""
    return tuple(sorted({path.parent.name for path in contracts.glob(f"*/*{SUFFIX}")}))


def declared_domain(name: str, contracts: Path) -> Domain:
    """The contracts of a domain; read again only when a file of it changed.

    Raises: ConfigError as `read_domain` does.
    """
    stats = [(path.name, path.stat()) for path in domain_files(name, contracts)]
    signature = tuple((file, stat.st_mtime_ns, stat.st_size) for file, stat in stats)
    return _read(name, contracts, signature)


def count(domain: Domain) -> DeclaredView:
    """What the contracts of `domain` declare, counted."""
    return DeclaredView(
        contracts=len(domain.contracts),
        tables=len(domain.tables),
        columns=sum(len(table.columns) for table in domain.tables),
        owners=tuple(dict.fromkeys(contract.owner for contract in domain.contracts)),
        purposes=tuple(contract.purpose for contract in domain.contracts if contract.purpose),
    )


@lru_cache(maxsize=64)
def _read(name: str, contracts: Path, signature: Signature) -> Domain:
    del signature  # only a key of the cache
    return read_domain(name, contracts)
