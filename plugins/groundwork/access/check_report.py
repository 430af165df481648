"""What checking and saving rows found, as values that print themselves and go through JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class SaveMode(StrEnum):
    """What happens to a row whose primary key is there already: refused, or its row is changed."""

    INSERT = "insert"
    UPSERT = "upsert"


@dataclass(frozen=True, kw_only=True)
class RowError:
    """One thing wrong with one row, or with the input as a whole.

    `row` counts rows from 1 and is null for the input as a whole; `line` counts lines of text from 1 and is null where
    there are none; `column` is null for the row as a whole, and names several with commas. `corrected` is a value in
    its JSON form that would pass, where the given one can mean nothing else.
    """

    row: int | None
    line: int | None
    column: str | None
    expected: str
    found: str
    suggestion: str
    corrected: object = None

    def to_json(self) -> dict[str, object]:
        """The error as a JSON object; `corrected` only where there is one."""
        return {name: value for name, value in asdict(self).items() if name != "corrected" or value is not None}

    def __str__(self) -> str:
        place = f"line {self.line:,}" if self.line else f"row {self.row:,}" if self.row else "the input"
        parts = [f"{place}{f', {self.column}' if self.column else ''}: expected {self.expected}, found {self.found}"]
        return "\n".join([*parts, f"  fix: {self.suggestion}"] if self.suggestion else parts)


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """Something the contract asks that was not looked at, with the reason."""

    what: str
    why: str

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What one check found.

    `rows` were read, `bad_rows` of them have at least one error; `error_count` counts all errors, `errors` holds the
    first of them. `counts` is errors by `column: expected`, the most frequent first. `is_complete` is false when the
    input broke off. `seconds` is wall time.
    """

    table: str
    source: str
    format: str
    rows: int
    bad_rows: int
    error_count: int
    errors: tuple[RowError, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    not_checked: tuple[NotChecked, ...] = ()
    is_complete: bool = True
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with any row."""
        return self.error_count == 0 and self.is_complete

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {
            "table": self.table,
            "source": self.source,
            "format": self.format,
            "is_good": self.is_good,
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "error_count": self.error_count,
            "counts": dict(self.counts),
            "errors": [error.to_json() for error in self.errors],
            "not_checked": [entry.to_json() for entry in self.not_checked],
            "is_complete": self.is_complete,
            "seconds": round(self.seconds, 3),
        }

    def to_text(self) -> str:
        """The report for a person: the first errors, how many of each kind, and what was not looked at."""
        lines = [str(error) for error in self.errors]
        hidden = self.error_count - len(self.errors)
        if hidden > 0:
            lines += [f"… and {hidden:,} more; by kind:", *(f"  {n:>9,}  {what}" for what, n in self.counts.items())]
        lines += [f"not checked: {entry.what}: {entry.why}" for entry in self.not_checked]
        if self.is_good:
            verdict = f"{self.rows:,} rows meet the contract of {self.table}"
        else:
            verdict = f"{self.error_count:,} errors in {self.bad_rows:,} of {self.rows:,} rows for {self.table}"
        return "\n".join([*lines, verdict])


@dataclass(frozen=True, kw_only=True)
class SaveReport:
    """What became of a save: all rows are in the table, or none is.

    `written` rows are new or changed, `unchanged` were there as given (only `upsert` leaves any). `refusal` is what
    the database said when it refused what the check had let pass; `audit_sequence` is the event in the audit trail.
    """

    check: CheckReport
    mode: SaveMode
    is_saved: bool
    written: int = 0
    unchanged: int = 0
    refusal: str | None = None
    audit_sequence: int | None = None

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {
            **self.check.to_json(),
            "mode": str(self.mode),
            "is_saved": self.is_saved,
            "written": self.written,
            "unchanged": self.unchanged,
            "refusal": self.refusal,
            "audit_sequence": self.audit_sequence,
        }

    def to_text(self) -> str:
        """The report for a person."""
        if not self.is_saved:
            refused = [f"the database refused: {self.refusal}"] if self.refusal else []
            return "\n".join([self.check.to_text(), *refused, "nothing was saved"])
        unchanged = f", {self.unchanged:,} were there already as given" if self.unchanged else ""
        return "\n".join([self.check.to_text(), f"{self.written:,} rows saved{unchanged}"])
