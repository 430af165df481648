"""What a release's gates look at, and the budgets they hold it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from groundwork.contracts.contract import Domain


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """What a release may take. Seconds and bytes; `slowest_query_seconds` is for each declared access pattern.

    `oldest_validation_seconds` is how old the newest validation of a table may be. A backup of more than
    `largest_backup_bytes` (tables with their indexes) is not tried by the gate, which stays closed and says so.
    """

    slowest_query_seconds: float = 0.2
    oldest_validation_seconds: float = 26 * 3600
    largest_backup_bytes: int = 20 * 1024**3
    longest_backup_seconds: float = 1800


@dataclass(frozen=True, kw_only=True)
class ReleaseSubject:
    """A domain that is to be released, and where it lives.

    `target` is the Airflow connection id of the warehouse. `scratch` is an engine whose role may make databases, on the
    warehouse's server or another one: trials and restored backups happen there, each in a database of its own.
    """

    domain: Domain
    contracts: Path
    warehouse: Engine
    store: Engine
    scratch: Engine
    target: str
    budgets: Budgets = field(default_factory=Budgets)
