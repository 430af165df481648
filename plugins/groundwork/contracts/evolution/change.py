"""What compare contracts find: changes, each with whom it hits and how hard, and the version step they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from groundwork.contracts.consumers.consumer import Consumer
from groundwork.contracts.semver import Bump, bump_between, parse_version


class Impact(StrEnum):
    """How hard a change hits whoever relies on the contract."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    DOCUMENTATION = "documentation"

    @property
    def bump(self) -> Bump:
        """The version step that announces it."""
        return {Impact.BREAKING: Bump.MAJOR, Impact.COMPATIBLE: Bump.MINOR, Impact.DOCUMENTATION: Bump.PATCH}[self]


class Audience(StrEnum):
    """Whom a change concerns: who reads the data, who writes it, both, or nobody's code."""

    READERS = "readers"
    WRITERS = "writers"
    BOTH = "both"
    NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between two versions of a contract.

    `subject` is the kind of thing (`column`, `index`, `role`, …), `name` its name within the table or contract; `what`
    is `added`, `removed`, `renamed`, `moved` or `changed`, the last with the `attribute` that did. `column` is set for
    a column and what belongs to it (a dotted path for nested ones), by its old name where there is one. `old_where` and
    `new_where` are `file:line`, null on the side that does not have it. `confidence` (0 to 1) is set for what was
    recognised rather than read. `columns` are the table's columns that it concerns by their old names, empty for all of
    them. `old` and `new` are JSON-ready.
    """

    contract: str
    table: str | None
    column: str | None
    subject: str
    name: str
    what: str
    attribute: str | None = None
    old: Any = None
    new: Any = None
    old_where: str | None
    new_where: str | None
    impact: Impact
    audience: Audience
    why: str
    confidence: float | None = None
    columns: tuple[str, ...] = ()
    consumers: tuple[Consumer, ...] = ()

    @property
    def bump(self) -> Bump:
        """The version step due for this change alone."""
        return self.impact.bump

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "consumers"}
        return {**plain, "bump": str(self.bump), "consumers": [consumer.to_json() for consumer in self.consumers]}


@dataclass(frozen=True, kw_only=True)
class ContractEvolution:
    """What became of one contract; a version is null on the side where there is no such contract."""

    id: str
    old_path: str | None
    new_path: str | None
    old_version: str | None
    new_version: str | None
    changes: tuple[Change, ...]

    @property
    def due(self) -> Bump:
        """The version step that all changes together ask for; none for a contract that is new."""
        if self.old_version is None:
            return Bump.NONE
        return max((change.bump for change in self.changes), key=lambda bump: bump.rank, default=Bump.NONE)

    @property
    def announced(self) -> Bump | None:
        """The step between the two versions; null when it cannot be told (no semantic version, or no new one)."""
        old, new = (parse_version(text) if text else None for text in (self.old_version, self.new_version))
        return bump_between(old, new) if old and new else None

    @property
    def went_back(self) -> bool:
        """Whether the new version is lower than the old one."""
        old, new = (parse_version(text) if text else None for text in (self.old_version, self.new_version))
        return bool(old and new and new < old)

    @property
    def is_announced(self) -> bool:
        """Whether the versions say what the changes ask for.

        A contract that is gone has no version left to say anything with, so it must not break anything.
        """
        if self.old_version is None or self.due is Bump.NONE:
            return not self.went_back
        if self.new_version is None:
            return self.due is not Bump.MAJOR
        return self.announced is not None and self.announced.covers(self.due)

    @property
    def least_version(self) -> str | None:
        """The smallest version that announces what is due; null when the old one is no semantic version."""
        old = parse_version(self.old_version) if self.old_version else None
        return str(old.raised(self.due)) if old else None

    @property
    def verdict(self) -> str:
        """One sentence: what is due, what is announced, and what to do when that is too little."""
        if self.old_version is None:
            return "new contract; nobody relies on it yet"
        if self.went_back:
            went = f"the version went back from {self.old_version} to {self.new_version}"
            return f"{went}: use {self.least_version} or later"
        if self.new_version is None and not self.is_announced:
            return (
                "removed while its tables were promised: announce `deprecated` with `removeAfter` on each first, "
                "and remove the contract after that day"
            )
        if self.is_announced:
            return f"announced: {self.announced or Bump.NONE}, due: {self.due}"
        if self.announced is None:
            said = f"`{self.old_version}` → `{self.new_version}`"
            return f"a {self.due} step is due, but {said} says none: use MAJOR.MINOR.PATCH"
        step = "nothing" if self.announced is Bump.NONE else f"only {self.announced}"
        return f"a {self.due} step is due, {step} is announced: set `version: {self.least_version}` or later"

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "id": self.id,
            "old_path": self.old_path,
            "new_path": self.new_path,
            "old_version": self.old_version,
            "new_version": self.new_version,
            "due": str(self.due),
            "announced": str(self.announced) if self.announced else None,
            "least_version": self.least_version,
            "is_announced": self.is_announced,
            "verdict": self.verdict,
            "changes": [change.to_json() for change in self.changes],
        }


@dataclass(frozen=True, kw_only=True)
class Evolution:
    """What became of all contracts of a domain; contracts without any difference are left out."""

    domain: str
    contracts: tuple[ContractEvolution, ...] = field(default=())

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, contract by contract."""
        return tuple(change for contract in self.contracts for change in contract.changes)

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes that break something."""
        return tuple(change for change in self.changes if change.impact is Impact.BREAKING)

    @property
    def due(self) -> Bump:
        """The largest step that any of the contracts is due."""
        return max((contract.due for contract in self.contracts), key=lambda bump: bump.rank, default=Bump.NONE)

    @property
    def is_announced(self) -> bool:
        """Whether every contract's version says what its changes ask for."""
        return all(contract.is_announced for contract in self.contracts)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "domain": self.domain,
            "due": str(self.due),
            "is_announced": self.is_announced,
            "contracts": [contract.to_json() for contract in self.contracts],
        }


def unannounced(evolutions: Sequence[Evolution]) -> Iterator[ContractEvolution]:
    """The contracts whose version says less than their changes ask for."""
    for evolution in evolutions:
        yield from (contract for contract in evolution.contracts if not contract.is_announced)
