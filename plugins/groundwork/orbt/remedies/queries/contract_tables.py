"""Which tables are of a contract: only those are ours to change by ourselves."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from groundwork.contracts.read import SUFFIX, read_domain
from groundwork.model.errors import ConfigError

_log = logging.getLogger(__name__)


@cache
def contract_tables(project: Path) -> frozenset[tuple[str, str]]:
    """The (schema, name) of every table that the project's contracts declare; a domain that cannot be read has none."""
    folder = project / "governance" / "contracts"
    found: set[tuple[str, str]] = set()
    for name in sorted({path.parent.name for path in folder.glob(f"*/*{SUFFIX}")}):
        try:
            domain = read_domain(name, folder)
        except ConfigError as error:
            _log.warning("the contracts of the domain %s cannot be read: %s", name, error.what)
            continue
        found.update((table.schema, table.name) for table in domain.tables)
    return frozenset(found)
