"""Operation ids and section numbers: how one step is named in logs, audit, lineage and pages.

The id reads `DATA.{PROJECT}.{OPERATION}.{TOOL}.20000.{STEP}`, STEP zero-padded to three digits.
Source: requirements row F5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ALTITUDE = 20000  # fixed by the naming scheme: the data domain's level
DEFAULT_SECTION = "data.general.operation"
_SECTIONS = {
    "schema": "data.design.schema",
    "queries": "data.performance.queries",
    "migrations": "data.operations.migrations",
    "apis": "data.access.apis",
    "monitoring": "data.monitoring.setup",
}
_WORD = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One step of work: `kind` is a key of the section vocabulary, or any other word for the general section."""

    project: str
    name: str
    tool: str = "groundwork"
    step: int
    kind: str = "general"

    @property
    def id(self) -> str:
        """The operation id.

        >>> Operation(project="market", name="schema design", step=3).id
        'DATA.MARKET.SCHEMA_DESIGN.GROUNDWORK.20000.003'
        """
        if not 0 <= self.step <= 999:
            raise ValueError(f"step must lie in 0..999 to fit three digits, found {self.step}")
        words = (_upper(self.project), _upper(self.name), _upper(self.tool))
        return f"DATA.{'.'.join(words)}.{ALTITUDE}.{self.step:03d}"

    @property
    def section(self) -> str:
        """The section number of this kind of work."""
        return _SECTIONS.get(self.kind, DEFAULT_SECTION)


def _upper(word: str) -> str:
    """`word` in capitals with anything but letters and digits folded to one underscore; never empty."""
    return _WORD.sub("_", word.upper()).strip("_") or "GENERAL"
