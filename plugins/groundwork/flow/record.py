"""What a source hands to a load: batches of records, each whole or with the reasons why it is not.

Values are text, exactly as PostgreSQL's input functions shall read them; null is SQL NULL. The types are the business
of the server, so that a row is judged by the same rules that would store it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Rule(StrEnum):
    """Rules that only a load can see broken; those of the contract go by the words of `CheckKind`."""

    COLUMN_COUNT = "column_count"
    ENCODING = "encoding"
    NUL_BYTE = "nul_byte"
    UNTERMINATED_QUOTE = "unterminated_quote"
    NOT_JSON = "not_json"
    UNKNOWN_FIELD = "unknown_field"
    TYPE = "type"
    NOT_FINITE = "not_finite"
    DUPLICATE_KEY = "duplicate_key"
    KEY_CONFLICT = "key_conflict"


Mark = Mapping[str, Any]  # JSON-ready; means something only to the source that made it


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One rule a record breaks; `column` is null when the whole record is meant."""

    rule: str
    column: str | None = None
    message: str

    def to_json(self) -> dict[str, str | None]:
        """The form kept in quarantine."""
        return {"rule": str(self.rule), "column": self.column, "message": self.message}

    @property
    def label(self) -> str:
        """`rule` or `rule:column`, the key by which reasons are counted."""
        return f"{self.rule}:{self.column}" if self.column else str(self.rule)


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record; `values` follow the source's columns and mean nothing when there are `reasons`."""

    position: int
    values: tuple[str | None, ...]
    raw: Mapping[str, Any]
    reasons: tuple[Reason, ...] = ()


class Batch(Protocol):
    """A bounded run of consecutive records."""

    @property
    def block(self) -> bytes | None:
        """The records as CSV that COPY can read with the source's `fields`, or null when there is no such text."""

    @property
    def mark(self) -> Mark | None:
        """What `Source.batches(after=...)` needs to go on behind this batch; null when the source cannot."""

    def records(self, first_position: int) -> Iterator[Record]:
        """The records, numbered from `first_position`."""


class Source(Protocol):
    """Where the rows of one table come from; it can be read any number of times."""

    @property
    def description(self) -> str:
        """Where, for people and for the books."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Target columns that the source fills, in the order of a record's values."""

    @property
    def fields(self) -> tuple[str | None, ...]:
        """Target column of each field of a block; null for a field that is not wanted."""

    @property
    def fingerprint(self) -> str | None:
        """What changes when the content changes (size and time of a file); null when nobody can tell cheaply."""

    @property
    def size_bytes(self) -> int | None:
        """Bytes that `batches` will hand out, for progress; null when it is not known before."""

    def batches(self, after: Mark | None = None) -> Iterator[Batch]:
        """All records from the first on, or those behind the batch whose mark is `after`.

        Raises: RetriableError when the source breaks off while it is read.
        """

    def parts(self, wanted: int) -> Sequence[Source]:
        """About `wanted` sources, at least one, that together hold exactly the same records."""

    def checksum(self) -> str | None:
        """SHA-256 of what the last complete reading saw; null before that, and when it began behind a mark."""


def storable(value: str) -> str:
    """`value` as jsonb can hold it: NUL and lone surrogates shown by their escapes."""
    return value.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
