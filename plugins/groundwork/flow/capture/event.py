"""One change of one row, as both ways of capture tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Position = Mapping[str, Any]  # JSON-ready; means something only to the way that made it
Row = Mapping[str, str | None]  # column → text as PostgreSQL prints it; null is SQL NULL


class Operation(StrEnum):
    """What happened to a row; `snapshot` is a row that was there when the stream began, `truncate` concerns all."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    TRUNCATE = "truncate"
    SNAPSHOT = "snapshot"


class Way(StrEnum):
    """How changes are captured."""

    LOG = "log"
    OUTBOX = "outbox"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One changed row of a source table.

    `before` holds what is known of the old row: its identity (the key) or, where the source gives it, all of it; it is
    null when the identity did not change and nothing more is known. `after` is null for deletes. `unchanged` are
    columns missing in `after` because they are stored out of line, did not change, and the source did not send them.
    `transaction` is the source's transaction id, `number` counts the changes of one transaction from 1.
    """

    operation: Operation
    schema: str
    table: str
    before: Row | None
    after: Row | None
    transaction: str
    number: int
    committed_at: datetime
    unchanged: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """`schema.table` in the source."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A run of changes of one transaction; `position` is set when the transaction ends with it, else null."""

    changes: tuple[Change, ...]
    committed_at: datetime
    position: Position | None
