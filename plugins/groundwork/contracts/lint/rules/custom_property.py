"""Custom properties that are read, once, under the name they are known by.

The standard allows any custom property, so a slip of the pen (`indxes`) would silently mean nothing. A name close to
one that Groundwork reads at this place is taken for a slip; other names are left to other tools.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from groundwork.contracts.lint.subject import DomainPart, Part, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
ON_CONTRACT = ("databaseSchema", "residency")
ON_TABLE = ("indexes", "uniqueKeys", "checks", "partitioning", "accessPatterns", "source", "retentionColumn")
ON_COLUMN = ("default", "identity", "generated", "personalData", "masking")
ON_RELATIONSHIP = ("onDelete",)
ON_ROLE = ("clearance",)
_LISTS = ("indexes", "uniqueKeys", "checks", "accessPatterns")
_MAPPINGS = ("partitioning", "source")


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every misspelt, repeated or misshapen custom property."""
    for contract in domain.contracts:
        yield from _properties(contract, ON_CONTRACT)
        for role in contract.parts("roles"):
            yield from _properties(role, ON_ROLE)
    for table in domain.tables:
        yield from _properties(table, ON_TABLE)
        for column in table.columns:
            yield from _properties(column, ON_COLUMN)
        for relationship in table.relationships:
            yield from _properties(relationship, ON_RELATIONSHIP)


def _properties(part: Part, known: tuple[str, ...]) -> Iterator[Problem]:
    seen = set()
    for entry in part.parts("customProperties"):
        name = entry.text("property")
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        if name in seen:
            yield entry.problem("/property", f"`{name}` is declared twice", "keep one of the two")
        elif name not in known and close:
            yield entry.problem("/property", f"no custom property `{name}` is read here", f"write `{close[0]}`")
        elif name in known and not _fits(name, entry.data.get("value")):
            form = "a list of mappings" if name in _LISTS else "a mapping"
            yield entry.problem("/value", f"the value of `{name}` is not {form}", f"write {form}")
        seen.add(name)


def _fits(name: str, value: object) -> bool:
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    return isinstance(value, dict) if name in _MAPPINGS else not isinstance(value, dict | list)
