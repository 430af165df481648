"""What was measured of a table's columns, whatever the table came from; proposals are made from these values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """One column as measured.

    `type` is a PostgreSQL type text that holds every value seen. Counts are rows; `distinct` is exact where `is_exact`
    says so. `minimum` and `maximum` are values of the column's type as text, lengths are letters of text values,
    `top_values` the most frequent values as text with their counts, `samples` some values as text (never stored in a
    contract: they may be personal data). `pattern` is an ECMA-262 pattern that every value was measured to match, null
    where none was looked for or found.
    """

    name: str
    type: str
    rows: int
    nulls: int
    distinct: int
    is_exact: bool = True
    minimum: str | None = None
    maximum: str | None = None
    shortest: int | None = None
    longest: int | None = None
    top_values: tuple[tuple[str, int], ...] = ()
    samples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def is_unique(self) -> bool:
        """Whether no value but null comes twice, counted exactly, in at least one row."""
        return self.is_exact and self.distinct > 0 and self.distinct == self.rows - self.nulls


@dataclass(frozen=True, kw_only=True)
class TableProfile:
    """All columns of one table or file, in order; `rows` were read, all of them where `is_complete`."""

    name: str
    source: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    is_complete: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)

    def column(self, name: str) -> ColumnProfile:
        """The profile of the column called `name`; raises StopIteration when there is none."""
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Something proposed: where it stands (a JSON pointer into the document), why, and how sure (0 to 1)."""

    pointer: str
    what: str
    evidence: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposed contract as plain ODCS data, with every guess in it and what could not be expressed (`left_out`)."""

    document: dict[str, Any]
    guesses: tuple[Guess, ...] = ()
    left_out: tuple[str, ...] = ()
